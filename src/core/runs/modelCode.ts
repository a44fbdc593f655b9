import { cut, pieceBytes } from '../../base/clip.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { isContainerLive } from '../containers/container.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { CoreContext } from '../context.ts';
import { codeCommand, type CodeOutcome, type CodePiece, codePieceOf } from '../models/loop/codeTool.ts';
import { PlainText } from '../terminals/plainText.ts';
import { isModelRun } from './modelRuns.ts';
import { type CodeDone, codeDoneCommand } from './modelRunSpec.ts';
import { isRunEnded } from './run.ts';
import { textOf } from './runPayloads.ts';

/** On the container that a model's run executes its code in: the run's id. */
const codeRunLabel = 'orchestrator.code';
const wantedType = 'code_agent.execution.wanted';
const doneType = 'code_agent.step.execution';
/** What a piece of code gets to end, in milliseconds. */
const codeLimitMs = 120_000;
/** It waits for the code, and holds its files between two pieces. */
const idleScript = 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done';
const workFolder = '/workspace';
const page = 256;

/**
 * Runs the code of models in containers, one a run: made of the session's image by its policy, without a network, and
 * removed with the run. A worker asks by an event and is answered by a command, so that it does not matter which core
 * is there.
 */
export class ModelCode implements Disposable {
  private readonly context: CoreContext;
  private readonly containers: ContainerManager;
  private readonly disposables = new DisposableStore();
  /** Containers under way, by run: pieces that come together share one. */
  private readonly making = new Map<string, Promise<string>>();
  private isOpen = false;

  constructor(context: CoreContext, containers: ContainerManager) {
    this.context = context;
    this.containers = containers;
    this.disposables.add(
      context.log.onDidAppend(({ type, runId, data }) => {
        if (type === wantedType && runId !== undefined && this.isOpen) void this.answer(runId, data);
      }),
    );
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const { kind, id, value } of changes) {
          if (kind === 'run' && (value === undefined || (isModelRun(value) && isRunEnded(value)))) {
            void this.removeContainer(id);
          }
        }
      }),
    );
  }

  /** Start-up: answers what was asked for while no core was there, and removes what ended runs have left. */
  open(): void {
    this.isOpen = true;
    const { state } = this.context;
    for (const run of state.liveRuns.values()) {
      if (!isModelRun(run)) continue;
      const wanted = this.unanswered(run.id);
      if (wanted === undefined) continue;
      // A former core may have begun it: to run it a second time could do harm.
      if (this.containerOf(run.id) === undefined) void this.answer(run.id, wanted);
      else this.tell(run.id, wanted, { exitCode: null, output: '', error: interrupted });
    }
    for (const { config } of state.containers.values()) {
      const runId = config.labels[codeRunLabel];
      if (runId !== undefined && !state.liveRuns.has(runId)) void this.removeContainer(runId);
    }
  }

  dispose(): void {
    this.isOpen = false;
    this.disposables.dispose();
  }

  private async answer(runId: string, wanted: Readonly<Record<string, unknown>>): Promise<void> {
    const piece = codePieceOf({ language: wanted['code_type'], code: wanted['code'] });
    let outcome: CodeOutcome;
    try {
      if (piece === undefined)
        throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'This is no code.');
      outcome = await this.run(await this.container(runId), piece);
    } catch (error) {
      outcome = { exitCode: null, output: '', error: OrchestratorError.from(error).message };
    }
    this.tell(runId, wanted, outcome);
  }

  private tell(runId: string, wanted: Readonly<Record<string, unknown>>, outcome: CodeOutcome): void {
    const { exitCode, output, error } = outcome;
    const request_id = textOf(wanted, 'request_id') ?? '';
    const done: CodeDone = { request_id, exit_code: exitCode, output: cut(output, pieceBytes), error };
    this.context.processHost
      .commandWorker(runId, { type: codeDoneCommand, data: { ...done } })
      .catch((failure: unknown) => {
        // It has ended, or its host has: either ends the run.
        this.context.logger.debug(`The worker ${runId} did not hear of its code`, failure);
      });
  }

  private async run(containerId: string, piece: CodePiece): Promise<CodeOutcome> {
    const plain = new PlainText();
    let output = '';
    const { args, env } = codeCommand(piece);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const sink = {
      onData: (_stream: unknown, data: Uint8Array): void => {
        output = (output + plain.push(data)).slice(-pieceBytes);
      },
      onEnd: (): void => {
        resolve();
      },
    };
    const exec = await this.containers.exec(containerId, { command: args, env }, sink);
    const late = Promise.withResolvers<'late'>();
    const timer = this.context.clock.setTimer(codeLimitMs, () => {
      late.resolve('late');
    });
    try {
      const exitCode = await Promise.race([exec.exitCode, late.promise]);
      if (exitCode === 'late') {
        exec.dispose();
        const error = `It did not end within ${codeLimitMs / 1_000} s, and was ended.`;
        return { exitCode: null, output, error };
      }
      await ended;
      const error = exitCode === undefined ? 'Its container has ended.' : '';
      return { exitCode: exitCode ?? null, output: output + plain.flush(), error };
    } finally {
      timer.dispose();
    }
  }

  private container(runId: string): Promise<string> {
    const known = this.making.get(runId) ?? this.makeContainer(runId);
    this.making.set(runId, known);
    // What has failed may be tried again.
    known.catch(() => this.making.delete(runId));
    return known;
  }

  private async makeContainer(runId: string): Promise<string> {
    await this.containers.ready();
    const known = this.containerOf(runId);
    if (known !== undefined && isContainerLive(known)) return known.id;
    const { state } = this.context;
    const session = state.sessions.get(state.liveRuns.get(runId)?.sessionId ?? '');
    if (session === undefined) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'run_not_active', 'The run has ended.');
    }
    const { id } = await this.containers.run({
      sessionId: session.id,
      name: `code-${runId.slice(-8)}`,
      image: session.image ?? '',
      entrypoint: ['/bin/sh', '-c'],
      command: [idleScript],
      labels: { [codeRunLabel]: runId },
      ...(session.config.policy.allowVolumeMount
        ? {
            workingDir: workFolder,
            mounts: [{ type: 'bind', source: session.cwd, target: workFolder, readOnly: false }],
          }
        : {}),
    });
    if (!state.liveRuns.has(runId)) await this.removeContainer(runId);
    return id;
  }

  private containerOf(runId: string): ReturnType<ContainerManager['find']> {
    return this.containers.list({ labels: { [codeRunLabel]: runId } })[0];
  }

  /** Never throws: the next start removes what could not be removed now. */
  private async removeContainer(runId: string): Promise<void> {
    this.making.delete(runId);
    const container = this.containerOf(runId);
    if (container === undefined || !this.isOpen) return;
    try {
      await this.containers.remove(container.id, { force: true });
    } catch (error) {
      if (OrchestratorError.is(error, 'closed')) return;
      this.context.logger.warn(`The container "${container.name}" was not removed`, error);
    }
  }

  /** What the run's worker asked for last, and still waits for. */
  private unanswered(runId: string): Readonly<Record<string, unknown>> | undefined {
    let wanted: Readonly<Record<string, unknown>> | undefined;
    for (let after = 0; ; ) {
      const read = this.context.log.read({ after, limit: page, runId });
      for (const { type, data } of read) {
        if (type === wantedType) wanted = data;
        else if (type === doneType) wanted = undefined;
      }
      const last = read.at(-1);
      if (last === undefined || read.length < page) return wanted;
      after = last.sequence;
    }
  }
}

const interrupted =
  'The orchestrator was started anew while the code ran: whether it came to its end is not known. Look at what it has done.';
