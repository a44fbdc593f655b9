import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { EngineExec, ExecSpec, StreamSink } from '../ports/containerEngine.ts';
import { checkInteger, invalidRequest } from '../text.ts';
import { type CommandClaim, type Container, type EngineClaim, isContainerLive } from './container.ts';
import { containerParts } from './containerContext.ts';
import { notRunning } from './containerErrors.ts';
import type { EngineClaims } from './engineClaims.ts';

export interface ExecRequest {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  /** In a terminal of its own: 80 columns and 24 rows when missing, 1 to 1,000 of each. */
  readonly tty?: boolean | undefined;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
  /** Whether something will be written to it; always with a terminal. */
  readonly openInput?: boolean | undefined;
}

/** In the environment of a command and of all that it starts, with its claim: so it is found again, and nothing else is. */
const commandVariable = 'ORCHESTRATOR_COMMAND';

/** The engine may still begin a command for so long after the core that asked for it has ended. */
const lateBeginMs = 5_000;

const nothingFound = 0;
const allEnded = 3;
/** Ends every process that carries the claim `$1`, until none is found: one may start others meanwhile. */
const endScript = `
code=${nothingFound}
for turn in 1 2 3 4 5 6 7 8 9 10; do
  found=
  for process in /proc/[0-9]*; do
    if 2>/dev/null tr '\\000' '\\n' <"$process/environ" | grep -qxF "${commandVariable}=$1"; then
      found=yes
      kill -9 "\${process#/proc/}"
    fi
  done
  [ -z "$found" ] && exit $code
  code=${allEnded}
done
exit 4`;

/**
 * Commands in containers. No engine lets go of one and takes it up again: so a command lasts as long as whoever began
 * it, at most as long as its core. What is let go of is ended, and what a core left running, the next one ends. It is
 * found by what stands in its environment, and ended by a shell in the container, as its own user; where there is no
 * shell it goes on until the container ends, and the log says so.
 */
export class ContainerCommands implements Disposable {
  private readonly context: CoreContext;
  private readonly claims: EngineClaims;
  /** Commands that do not run yet, by container. */
  private readonly beginning = new Map<string, Set<Promise<EngineExec>>>();
  private readonly pausing = new Set<string>();
  private readonly disposables = new DisposableStore();
  private isDisposed = false;

  constructor(context: CoreContext, claims: EngineClaims) {
    this.context = context;
    this.claims = claims;
  }

  /** Resolves once it runs. Disposing the answer ends it. */
  async run(container: Container, request: ExecRequest, sink: StreamSink): Promise<EngineExec> {
    const [program] = request.command;
    if (program === undefined) throw invalidRequest('There is no command to be run.');
    const { tty = false, cols = 80, rows = 24, user, env, workingDir } = request;
    checkInteger(cols, 1, 1_000, 'The number of columns');
    checkInteger(rows, 1, 1_000, 'The number of rows');
    if (!this.isReachable(container)) throw notRunning(container);
    const openInput = tty || request.openInput === true;
    const command = { containerId: container.id, program, user };
    const claim = this.claims.begin('command', container.sessionId, command);
    const variables = { ...env, [commandVariable]: claim.id };
    const spec = { command: request.command, workingDir, user, tty, cols, rows, openInput, env: variables };
    let exec: EngineExec;
    try {
      exec = await this.begin(container.id, spec, sink);
    } catch (error) {
      this.claims.fail(claim.id, error);
      throw error;
    }
    this.disposables.add(exec);
    void exec.exitCode.then((code) => this.handleEnd(exec, claim, code));
    return exec;
  }

  /** Nothing begins in it from now on, and what was beginning has begun: Docker hangs where it freezes that. */
  async whileNoneBegins<T>(containerId: string, action: () => Promise<T>): Promise<T> {
    this.pausing.add(containerId);
    try {
      await Promise.allSettled([...(this.beginning.get(containerId) ?? [])]);
      return await action();
    } finally {
      this.pausing.delete(containerId);
    }
  }

  /** Ends what former cores have left running. Error: `container_engine_missing`. */
  async endInherited(): Promise<void> {
    for (const claim of this.claims.inherited()) {
      if (claim.kind !== 'command') continue;
      try {
        await this.endLeft(claim, 'core_ended', this.context.clock.now() - claim.createdAt < lateBeginMs);
      } catch (error) {
        const failure = OrchestratorError.from(error);
        if (failure.reason === 'container_engine_missing' || failure.reason === 'closed') throw failure;
        this.context.failures.report(failure, 'end a command of an earlier core');
      }
    }
  }

  /** What runs goes on; the next core ends it. */
  dispose(): void {
    this.isDisposed = true;
    this.disposables.dispose();
  }

  /** @param code undefined where it was let go of, or the engine is gone. */
  private handleEnd(exec: EngineExec, claim: EngineClaim, code: number | undefined): void {
    if (this.isDisposed) return;
    this.disposables.delete(exec);
    if (code !== undefined) {
      this.claims.drop(claim.id);
      return;
    }
    this.claims.leave(claim.id);
    this.endLeft(claim, 'let_go').catch((error: unknown) => {
      // Whoever connects again ends it.
      if (OrchestratorError.is(error, 'container_engine_missing')) return;
      this.context.failures.report(error, 'end a command in a container');
    });
  }

  private async endLeft(
    claim: EngineClaim,
    reason: 'core_ended' | 'let_go',
    mayStillBegin = false,
  ): Promise<void> {
    const { command } = claim;
    if (command === undefined) return;
    const container = this.context.state.containers.get(command.containerId);
    // Commands end with their container.
    if (container === undefined || !isContainerLive(container)) {
      this.claims.drop(claim.id);
      return;
    }
    // Frozen: it is ended once it can run again.
    if (!this.isReachable(container)) return;
    const outcome = await this.end(claim.id, command);
    if (outcome === 'none' && mayStillBegin) return;
    this.claims.drop(claim.id);
    if (outcome === 'none') return;
    const scope = { sessionId: container.sessionId, containerId: container.id };
    const removed = outcome === 'ended';
    const cleanup = { kind: 'command', name: command.program, reason, removed } as const;
    this.context.log.commit((tx) => tx.report('container.cleanup', scope, cleanup));
  }

  private async end(
    claimId: string,
    { containerId, user }: CommandClaim,
  ): Promise<'none' | 'ended' | 'kept'> {
    const spec: ExecSpec = {
      command: ['/bin/sh', '-c', endScript, 'sh', claimId],
      env: {},
      workingDir: undefined,
      user,
      tty: false,
      cols: 80,
      rows: 24,
      openInput: false,
    };
    const ending = await this.begin(containerId, spec, { onData: () => undefined, onEnd: () => undefined });
    this.disposables.add(ending);
    const code = await ending.exitCode;
    this.disposables.delete(ending);
    if (code === nothingFound) return 'none';
    return code === allEnded ? 'ended' : 'kept';
  }

  private isReachable({ id, state }: Container): boolean {
    return state === 'running' && !this.pausing.has(id);
  }

  private begin(containerId: string, spec: ExecSpec, sink: StreamSink): Promise<EngineExec> {
    const beginning = containerParts(this.context).engine.exec(containerId, spec, sink);
    const others = this.beginning.get(containerId) ?? new Set();
    this.beginning.set(containerId, others.add(beginning));
    return beginning.finally(() => {
      others.delete(beginning);
      if (others.size === 0) this.beginning.delete(containerId);
    });
  }
}
