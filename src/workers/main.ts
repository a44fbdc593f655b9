import { systemClock } from '../base/clock.ts';
import { randomBytes } from 'node:crypto';
import { OrchestratorError } from '../base/errors.ts';
import { systemIds } from '../base/ids.ts';
import { connectAsWorker, type WorkerConnection } from '../processHost/workerClient.ts';
import { containerTaskWorkerKind } from '../core/containerTasks/containerTaskSpec.ts';
import { codingAgentWorkerKind } from '../core/runs/codingAgents.ts';
import { AgentRunner } from './codingAgent/agentRunner.ts';
import { parseCodingAgentSpec } from './codingAgent/parseSpec.ts';
import { modelWorkerKind } from '../core/runs/modelRunSpec.ts';
import { ContainerTaskRunner } from './containerTask/containerTaskRunner.ts';
import { parseContainerTaskSpec } from './containerTask/parseSpec.ts';
import { isTaskExecutable, runTaskExecutable } from './containerTask/executable.ts';
import {
  type ModelSecrets,
  ModelRunner,
  type ModelRunnerDependencies,
  takeModelSecrets,
} from './model/modelRunner.ts';
import { openRunTools } from './model/runTools.ts';
import { parseModelRunSpec } from './model/parseSpec.ts';
import { containerCode } from './model/containerCode.ts';
import { terminalCode } from './model/terminalCode.ts';
import { writeDriverFile } from './shell/driverFile.ts';
import type { EmitRunEvent } from './shell/runReport.ts';
import { parseShellRunSpec } from './shell/shellRunSpec.ts';
import { ShellRunner } from './shell/shellRunner.ts';

/**
 * Entry of dist/worker.js: one process a run, forked by the process host. It ends when its run was reported to the end
 * or when the host is gone; what it says on standard error is kept for diagnosis only.
 */
async function main(): Promise<void> {
  if (isTaskExecutable(process.argv)) {
    await runTaskExecutable(process.argv);
    return;
  }
  // Before anything of ours or of others is started that could inherit them.
  const secrets = takeModelSecrets(process.env);
  const connection = await connectAsWorker();
  switch (connection.kind) {
    case 'shell':
      await runShellTask(connection);
      break;
    case codingAgentWorkerKind:
      await runCodingAgent(connection);
      break;
    case modelWorkerKind:
      await runModel(connection, secrets);
      break;
    case containerTaskWorkerKind:
      await runContainerTask(connection);
      break;
    default:
      throw new OrchestratorError(
        'UNIMPLEMENTED',
        'invalid_request',
        `This version knows no worker of kind ${JSON.stringify(connection.kind)}.`,
      );
  }
}

async function runContainerTask(connection: WorkerConnection): Promise<void> {
  let lost: unknown;
  const runner = new ContainerTaskRunner(parseContainerTaskSpec(connection.spec), {
    emit: async (type, data) => {
      try {
        await connection.emit(type, { ...data });
      } catch (error) {
        lost ??= error;
        throw error;
      }
    },
    terminals: connection.terminals,
    clock: systemClock,
    ids: systemIds,
    newToken: () => randomBytes(32).toString('hex'),
    environment: process.env,
  });
  connection.onCommand((command) => runner.handleCommand(command));
  process.on('SIGTERM', () => runner.abort('the worker was asked to end'));
  try {
    await runner.run();
  } finally {
    runner.dispose();
    await connection.close();
  }
  if (lost !== undefined) throw OrchestratorError.from(lost);
}

async function runCodingAgent(connection: WorkerConnection): Promise<void> {
  let lost: unknown;
  const runner = new AgentRunner(parseCodingAgentSpec(connection.spec), {
    emit: async (type, data) => {
      try {
        await connection.emit(type, { ...data });
      } catch (error) {
        lost ??= error;
        throw error;
      }
    },
    clock: systemClock,
    environment: process.env,
  });
  connection.onCommand((command) => {
    if (command.type === 'abort') runner.abort('requested');
  });
  process.on('SIGTERM', () => runner.abort('the worker was asked to end'));
  try {
    await runner.run();
  } finally {
    runner.dispose();
    await connection.close();
  }
  if (lost !== undefined) throw OrchestratorError.from(lost);
}

async function runModel(connection: WorkerConnection, secrets: ModelSecrets): Promise<void> {
  let lost: unknown;
  const emit: ModelRunnerDependencies['emit'] = async (type, data) => {
    try {
      await connection.emit(type, { ...data });
    } catch (error) {
      lost ??= error;
      throw error;
    }
  };
  const runner = new ModelRunner(parseModelRunSpec(connection.spec), {
    emit,
    clock: systemClock,
    secrets,
    openTools: (spec, toolSecrets, signal) =>
      openRunTools(spec, toolSecrets, {
        terminals: connection.terminals,
        environment: process.env,
        clock: systemClock,
        ids: systemIds,
        emit,
        onCommand: connection.onCommand,
        signal,
      }),
    openCode: ({ code, cwd }) =>
      code === 'container'
        ? containerCode({ emit, onCommand: connection.onCommand, ids: systemIds })
        : terminalCode({
            terminals: connection.terminals,
            cwd,
            environment: process.env,
            clock: systemClock,
            ids: systemIds,
            emit,
          }),
  });
  connection.onCommand((command) => {
    if (command.type === 'abort') runner.abort('requested');
  });
  process.on('SIGTERM', () => runner.abort('the worker was asked to end'));
  try {
    await runner.run();
  } finally {
    await connection.close();
  }
  if (lost !== undefined) throw OrchestratorError.from(lost);
}

async function runShellTask(connection: WorkerConnection): Promise<void> {
  let lost: unknown;
  const emit: EmitRunEvent = (type, data) => {
    connection.emit(type, { ...data }).catch((error: unknown) => {
      lost ??= error;
    });
  };
  const runner = new ShellRunner(parseShellRunSpec(connection.spec), {
    emit,
    terminals: connection.terminals,
    clock: systemClock,
    ids: systemIds,
    writeDriverFile,
  });
  connection.onCommand((command) => {
    if (command.type !== 'abort') return;
    const reason = command.data?.['reason'];
    runner.abort(typeof reason === 'string' ? reason : 'requested');
  });
  // The host asks a worker to go with this signal before it kills it.
  process.on('SIGTERM', () => runner.abort('the worker was asked to end'));
  try {
    await runner.run();
  } finally {
    runner.dispose();
    await connection.close();
  }
  // Then the journal lacks what was emitted (a full disk): exit as failed, so that the run is not taken for complete.
  if (lost !== undefined) throw OrchestratorError.from(lost);
}

main().catch((error: unknown) => {
  process.stderr.write(`${OrchestratorError.from(error).message}\n`);
  process.exitCode = 1;
});
