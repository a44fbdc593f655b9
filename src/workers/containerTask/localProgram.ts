import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { IdSource } from '../../base/ids.ts';
import type { TaskExecutable } from '../../core/containerTasks/containerTask.ts';
import {
  callbackEnvironment,
  type ContainerTaskSpec,
  platformVariables,
} from '../../core/containerTasks/containerTaskSpec.ts';
import type { WorkerTerminals } from '../../processHost/workerClient.ts';
import { followToEnd } from '../shell/followToEnd.ts';
import { Stopper, type StopOutcome } from '../shell/stopper.ts';
import { executableEnvironment, executableFlag } from './executableEnvironment.ts';
import type { ProgramEnd, TaskRunReport } from './taskRunReport.ts';

const cols = 120;
const rows = 30;
const terminateGraceMs = 700;

export interface LocalProgramDependencies {
  readonly terminals: WorkerTerminals;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly report: TaskRunReport;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly endpoint: { readonly callbackUrl: string; readonly token: string };
  readonly namespaceSecret: string;
}

/**
 * The task's own program, in a terminal of the process host: so its output has a record and is followed, kept and
 * drained as any other, and it ends when this worker does, however that ends.
 */
export class LocalProgram implements Disposable {
  private readonly spec: ContainerTaskSpec;
  private readonly executable: TaskExecutable;
  private readonly deps: LocalProgramDependencies;
  private readonly terminalId: string;
  private readonly stopper: Stopper;

  constructor(spec: ContainerTaskSpec, executable: TaskExecutable, deps: LocalProgramDependencies) {
    this.spec = spec;
    this.executable = executable;
    this.deps = deps;
    this.terminalId = deps.ids.uuidV4();
    this.stopper = new Stopper(deps.terminals, deps.clock);
  }

  /** Errors: those of starting it (`shell_missing`, `directory_missing` …), `process_host_lost`. */
  async run(): Promise<ProgramEnd> {
    const { terminals, report } = this.deps;
    const { terminalId } = this;
    const { cwd } = this.spec;
    const [file = '', ...args] = this.commandLine();
    const { pid } = await terminals.spawnTerminal({
      id: terminalId,
      file,
      args,
      cwd,
      env: this.environment(),
      cols,
      rows,
    });
    report.programStarted({ terminal_id: terminalId, shell: file, args, cwd, cols, rows, pid });
    this.stopper.watch(terminalId);
    const exit = await followToEnd(terminals, terminalId, {
      onData: (data, offset) => report.programOutput(offset + data.length),
    });
    report.programOutput(exit.end);
    await this.stopper.settled();
    const killed = exit.signal === null ? null : `It was ended by signal ${exit.signal}.`;
    // A PTY's child that a signal ended has exit code 0 where the platform tells both.
    const exitCode = exit.signal === null || exit.signal === 0 ? exit.exitCode : null;
    return { exitCode, reason: exit.reason, message: exitCode === null ? killed : null };
  }

  stop(outcome: StopOutcome): void {
    this.stopper.request(outcome);
  }

  /** Resolves when it has ended. A failure means that it has ended already. */
  async kill(): Promise<void> {
    await this.deps.terminals
      .killTerminal(this.terminalId, { graceMs: terminateGraceMs })
      .catch(() => undefined);
  }

  dispose(): void {
    this.stopper.dispose();
  }

  private commandLine(): readonly string[] {
    const { executable } = this;
    if (executable.type === 'command') return executable.command;
    // The worker's own program is also what a JavaScript executable is loaded by.
    return [process.execPath, process.argv[1] ?? '', executableFlag, executable.file, ...executable.args];
  }

  /** What is declared, what the platform cannot do without, and where to call back: nothing else. */
  private environment(): Record<string, string> {
    const { spec, executable, deps } = this;
    const env: Record<string, string> = { TERM: 'xterm-256color' };
    // What loads a JavaScript executable may be an editor, which has to be told that it is a Node.
    const loader = executable.type === 'node' ? ['ELECTRON_RUN_AS_NODE'] : [];
    for (const name of [...platformVariables, ...loader, ...spec.environmentNames]) {
      const value = deps.environment[name];
      if (value !== undefined) env[name] = value;
    }
    Object.assign(env, callbackEnvironment(spec.taskId, deps.endpoint, spec.paths.socket));
    if (executable.type === 'node') {
      Object.assign(env, {
        [executableEnvironment.secret]: deps.namespaceSecret,
        [executableEnvironment.folder]: dirname(spec.paths.endpointFile),
        ...(spec.publicApi ? { [executableEnvironment.apiSocket]: spec.paths.apiSocket } : {}),
      });
    }
    return env;
  }
}
