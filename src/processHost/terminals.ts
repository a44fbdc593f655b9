import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorError } from '../base/errors.ts';
import { isUuid } from '../base/ids.ts';
import type { SpawnTerminalOptions, TerminalExit, TerminalExitStatus } from '../core/ports/processHost.ts';
import type { Catalogue, TerminalMeta } from './catalogue.ts';
import { createGroups, joinCommand, oomKillsOf, planGroups, removeGroups } from './cgroups.ts';
import type { Ledger } from './ledger.ts';
import { processTable } from './processTable.ts';
import { defaultGraceMs, findTrees, killTrees, type TreeRoot } from './processTree.ts';
import { checkDirectory, findProgram } from './programs.ts';
import { type PtyProcess, spawnPty } from './ptyProcess.ts';
import { Terminal } from './terminal.ts';

export interface TerminalsDependencies {
  /** Holds a folder a terminal. */
  readonly dir: string;
  readonly ledger: Ledger;
  readonly catalogue: Catalogue;
  onExit(exit: TerminalExit): void;
  /** A process ended, or a sweep: the host may have become idle. */
  onQuiet(): void;
  log(message: string, error?: unknown): void;
}

/** What the leader's own end leaves behind gets so long between being asked and being killed. */
const leftoverGraceMs = 500;
/** Who has left the terminal altogether is looked for at this distance, once for all that ended meanwhile. */
const sweepDelayMs = 200;
/** A sweep reads every process of the machine: it may take this share of the time, and is put off for so long at most. */
const sweepShare = 0.05;
const maxSweepDelayMs = 2_000;
/** The last bytes of a plain command come within this time, so that nobody has to be looked for. */
const drainMs = 30;
/** A master that does not end although nothing of the tree is left is held by a stranger; it is closed then. */
const strangerGraceMs = 500;
/** By which the kernel ends a process at a memory ceiling; a shell whose last program ended so exits with 128 more. */
const sigkill = 9;

interface LiveTerminal {
  readonly terminal: Terminal;
  readonly root: TreeRoot;
  /** The worker that started it, if one did. */
  readonly owner: string | undefined;
  readonly ended: Promise<void>;
  settle(): void;
  wasKilled: boolean;
  exit: { code: number; signal: number } | undefined;
  hasDrained: boolean;
}

/** Every terminal of the state directory, and the life of their processes. */
export class Terminals {
  private readonly deps: TerminalsDependencies;
  private readonly all = new Map<string, Terminal>();
  private readonly live = new Map<string, LiveTerminal>();
  private readonly sweeping = new Map<string, TreeRoot>();
  private sweepTimer: NodeJS.Timeout | undefined;
  private nextSweepDelayMs = sweepDelayMs;

  constructor(deps: TerminalsDependencies) {
    this.deps = deps;
  }

  /** Takes over what earlier hosts have left on disk; what has no exit there ended with its host. */
  load(): void {
    const { catalogue, dir } = this.deps;
    const folders = new Set(readdirSync(dir).filter(isUuid));
    for (const meta of catalogue.all) {
      if (folders.delete(meta.id)) this.loadOne(meta);
      else catalogue.remove(meta.id);
    }
    // A full disk may have kept a terminal out of the catalogue. Its bytes are there all the same.
    for (const id of folders) {
      const startedAt = Math.round(statSync(join(dir, id)).mtimeMs);
      this.loadOne({ id, pid: 0, file: '', cwd: '', startedAt });
      if (this.all.get(id)?.record.end === 0) this.remove(id);
    }
  }

  private loadOne(meta: TerminalMeta): void {
    const { id } = meta;
    try {
      const terminal = Terminal.load(join(this.deps.dir, id), meta);
      if (terminal.isLive) {
        const exit = { exitCode: null, signal: null, reason: 'host_lost', exitedAt: Date.now() } as const;
        terminal.finish(exit, this.save);
      }
      this.all.set(id, terminal);
    } catch (error) {
      this.deps.log(`Terminal ${id} cannot be read and is left as it is`, error);
    }
  }

  get liveCount(): number {
    return this.live.size;
  }

  /** Whether anything is still to be ended or looked for. */
  get isBusy(): boolean {
    return this.live.size > 0 || this.sweeping.size > 0;
  }

  get size(): number {
    return this.all.size;
  }

  list(): Terminal[] {
    return [...this.all.values()];
  }

  /** @throws OrchestratorError terminal_not_found */
  get(id: string): Terminal {
    const terminal = this.all.get(id);
    if (terminal === undefined) {
      throw new OrchestratorError('NOT_FOUND', 'terminal_not_found', `There is no terminal ${id}.`, {
        details: { id },
      });
    }
    return terminal;
  }

  /** @throws OrchestratorError terminal_not_found, terminal_ended */
  getLive(id: string): Terminal {
    const terminal = this.get(id);
    if (!terminal.isLive) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'terminal_ended', `Terminal ${id} has ended.`, {
        details: { id },
      });
    }
    return terminal;
  }

  /** @param owner id of the worker with which it ends. */
  spawn(options: SpawnTerminalOptions, owner?: string): Terminal {
    const { id, cwd, env, args, ceilings } = options;
    if (this.all.has(id)) {
      throw new OrchestratorError('ALREADY_EXISTS', 'terminal_exists', `Terminal ${id} exists already.`);
    }
    checkDirectory(cwd);
    const file = findProgram(options.file, cwd, env);
    const planned = ceilings === undefined ? [] : planGroups(ceilings, `orchestrator-${id}`);
    const groups = planned.length === 0 ? undefined : planned.map(({ path }) => path);
    const token = randomBytes(16).toString('hex');
    const startedAt = Date.now();
    this.deps.ledger.begin({ id, kind: 'terminal', token, at: startedAt, groups });
    let terminal: Terminal | undefined;
    let pty: PtyProcess;
    try {
      if (ceilings !== undefined) createGroups(planned, ceilings);
      terminal = Terminal.create(join(this.deps.dir, id), { ...options, file }, startedAt);
      const started = terminal;
      pty = spawnPty(
        {
          ...options,
          ...(groups === undefined ? { file, args } : joinCommand(groups, file, args)),
          env: { ...env, ORCHESTRATOR_ID: id, ORCHESTRATOR_TOKEN: token },
        },
        {
          onData: (data) => {
            started.receive(data);
          },
          onExit: (code, signal) => {
            this.onLeaderExit(id, code, signal);
          },
          onEnd: () => {
            this.onDrained(id);
          },
        },
      );
    } catch (error) {
      terminal?.remove();
      void this.close(id, groups);
      throw spawnError(file, error);
    }
    const startTime = processTable.startTime(pty.pid);
    this.deps.ledger.started(id, pty.pid, startTime);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.all.set(id, terminal);
    this.live.set(id, {
      terminal,
      root: { pid: pty.pid, startTime, token, isSessionOurs: true, groups },
      owner,
      ended: promise,
      settle: () => {
        resolve(undefined);
      },
      wasKilled: false,
      exit: undefined,
      hasDrained: false,
    });
    terminal.attach(pty);
    this.save(terminal.meta);
    return terminal;
  }

  /** Resolves once the whole tree is gone and the exit was told. Ended terminals: at once. */
  async kill(id: string, graceMs = defaultGraceMs): Promise<void> {
    this.get(id);
    const live = this.live.get(id);
    if (live === undefined) return;
    live.wasKilled = true;
    live.terminal.drain();
    if (!(await killTrees([live.root], graceMs))) {
      throw new OrchestratorError(
        'ABORTED',
        'internal',
        `Processes of terminal ${id} do not end even when they are killed; they wait inside the system, for a disk or a network file system perhaps.`,
      );
    }
    this.closeIfStuck(live);
    await live.ended;
  }

  async killOwnedBy(owner: string): Promise<void> {
    const owned = [...this.live].filter(([, live]) => live.owner === owner);
    await Promise.allSettled(owned.map(([id]) => this.kill(id)));
  }

  async killAll(graceMs: number): Promise<void> {
    await Promise.allSettled([...this.live.keys()].map((id) => this.kill(id, graceMs)));
    await this.sweep();
  }

  /** @throws OrchestratorError for one that lives. */
  remove(id: string): void {
    const terminal = this.get(id);
    if (terminal.isLive) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `Terminal ${id} is still running. End it before it is removed.`,
      );
    }
    this.all.delete(id);
    terminal.remove();
    this.deps.catalogue.remove(id);
  }

  private readonly save = (meta: TerminalMeta): void => {
    this.deps.catalogue.put(meta);
  };

  private onLeaderExit(id: string, code: number, signal: number): void {
    const live = this.live.get(id);
    if (live === undefined) return;
    live.exit = { code, signal };
    live.terminal.drain();
    if (live.hasDrained) this.finish(id, live);
    // Somebody of the tree still has the terminal open. The exit is told once they are gone and the last byte is in.
    else void this.endLeftovers(live);
  }

  private async endLeftovers(live: LiveTerminal): Promise<void> {
    try {
      await delay(drainMs);
      if (live.hasDrained) return;
      if ((await findTrees([live.root])).length > 0) await killTrees([live.root], leftoverGraceMs);
    } catch (error) {
      this.deps.log('Cannot look for what a terminal has left behind', error);
    }
    this.closeIfStuck(live);
  }

  private closeIfStuck(live: LiveTerminal): void {
    void delay(strangerGraceMs, undefined, { ref: false }).then(() => {
      if (!live.hasDrained) live.terminal.closeMaster();
    });
  }

  private onDrained(id: string): void {
    const live = this.live.get(id);
    if (live === undefined) return;
    live.hasDrained = true;
    if (live.exit !== undefined) this.finish(id, live);
  }

  private finish(id: string, live: LiveTerminal): void {
    const { exit, wasKilled } = live;
    if (exit === undefined || !this.live.delete(id)) return;
    const oomKills = oomKillsOf(live.root.groups ?? []);
    const isOutOfMemory = oomKills > 0 && (exit.signal === sigkill || exit.code === 128 + sigkill);
    const status: TerminalExitStatus = {
      exitCode: exit.signal === 0 ? exit.code : null,
      signal: exit.signal === 0 ? null : exit.signal,
      reason: wasKilled ? 'killed' : isOutOfMemory ? 'out_of_memory' : 'exited',
      exitedAt: Date.now(),
      ...(oomKills === 0 ? {} : { oomKills }),
    };
    const told = live.terminal.finish(status, this.save);
    this.deps.onExit(told);
    live.settle();
    this.sweeping.set(id, live.root);
    this.scheduleSweep();
  }

  private scheduleSweep(): void {
    this.sweepTimer ??= setTimeout(() => void this.sweep(), this.nextSweepDelayMs);
  }

  /** Nothing of it is left. Groups that cannot be removed stay in the ledger: the next host tries again. */
  private async close(id: string, groups: readonly string[] = []): Promise<void> {
    if (groups.length === 0 || (await removeGroups(groups))) this.deps.ledger.ended(id, Date.now());
    else this.deps.log(`The control groups of terminal ${id} cannot be removed`);
  }

  /** Ends what has left its ended terminal behind (forked twice, a session of its own), then closes the ledger. */
  private async sweep(): Promise<void> {
    clearTimeout(this.sweepTimer);
    this.sweepTimer = undefined;
    const batch = [...this.sweeping];
    const roots = batch.map(([, root]) => root);
    try {
      if (roots.length > 0) {
        const startMs = performance.now();
        const left = await findTrees(roots);
        const delayMs = (performance.now() - startMs) / sweepShare;
        this.nextSweepDelayMs = Math.min(Math.max(delayMs, sweepDelayMs), maxSweepDelayMs);
        if (left.length > 0) await killTrees(roots, leftoverGraceMs);
      }
      await Promise.all(batch.map(([id, { groups }]) => this.close(id, groups)));
    } catch (error) {
      this.deps.log('Cannot look for what ended terminals have left behind', error);
    }
    for (const [id] of batch) this.sweeping.delete(id);
    if (this.sweeping.size > 0) this.scheduleSweep();
    this.deps.onQuiet();
  }
}

function spawnError(file: string, error: unknown): OrchestratorError {
  const known = OrchestratorError.from(error);
  if (known.reason !== 'internal') return known;
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'spawn_failed',
    `${file} could not be started: ${known.message}. The system may have run out of processes, pseudo-terminals or open files: end some terminals and try again.`,
    { cause: error },
  );
}
