import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readJson, writeFileAtomic } from './files.ts';
import { ensurePrivateDir, isPrivateDir, runtimeDir } from './paths.ts';
import { processTable } from './processTable.ts';
import { integer, listOf, object, oneOf, type Shape, type ShapeOf, text } from './shapes.ts';

const fileName = 'core.json';

const grpcPlace = object(
  {
    /** `opening` is about to listen; `off` never will. */
    state: oneOf('opening', 'open', 'off'),
  },
  /** Where it listens, once it is open. */
  { socket: text() },
);

const coreHolder = object(
  {
    pid: integer(1),
    /** For a person, e.g. `orchestrator serve` or the name of a VS Code window. */
    label: text(),
    kind: oneOf('vscode', 'serve', 'run', 'mcp'),
    /** Milliseconds since the epoch. */
    startedAt: integer(0),
  },
  {
    /** With the pid the identity of the process. */
    processStart: text(),
    grpc: grpcPlace,
    /** The daemon's door, while it is open. Its token is in a private file of the state directory, never here. */
    http: object({ url: text({ min: 1 }) }),
    /** Absolute paths: commands in or below one of them are meant for this core, unless they say otherwise. */
    folders: listOf(text({ min: 1 })),
    version: text(),
    /** Where to ask for it to yield; a holder without one cannot be asked. */
    yieldSocket: text(),
    /** Must be sent along: on Windows anyone may open the pipe. */
    yieldToken: text(),
  },
);

/**
 * Who serves a state directory, as it says of itself in core.json there. The lock alone decides who that is; this tells
 * how to reach it.
 */
export type CoreHolder = ShapeOf<typeof coreHolder>;

/** What a core writes of itself: who it is, is added. */
export type CoreHolderFacts = Omit<CoreHolder, 'pid' | 'processStart' | keyof CoreEndpoints> & CoreEndpoints;

/** Where a core answers. */
export interface CoreEndpoints {
  readonly grpc?: CoreHolder['grpc'] | undefined;
  readonly http?: CoreHolder['http'] | undefined;
}

/** Only while the lock is ours. Replaces what stood there as a whole. 0600. */
export function writeCoreHolder(stateDir: string, facts: CoreHolderFacts): void {
  const { pid } = process;
  const processStart = processTable.startTime(pid);
  const holder = { ...facts, pid, ...(processStart === undefined ? {} : { processStart }) };
  writeFileAtomic(join(stateDir, fileName), `${JSON.stringify(holder)}\n`);
  try {
    ensurePrivateDir(runtimeDir());
    ensurePrivateDir(registryDir());
    writeFileAtomic(registryEntry(stateDir), `${JSON.stringify({ stateDir: resolve(stateDir) })}\n`);
  } catch {
    // Then it is not listed, which is no reason not to serve.
  }
}

/** Only while the lock is still ours. */
export function removeCoreHolder(stateDir: string): void {
  rmSync(join(stateDir, fileName), { force: true });
  rmSync(registryEntry(stateDir), { force: true });
}

/** Undefined where nobody has written one, or nobody can read it. It may have been left behind: see `isHolderAlive`. */
export function readCoreHolder(stateDir: string): CoreHolder | undefined {
  return parsed(coreHolder, join(stateDir, fileName));
}

/** Whether the process that wrote it still runs. */
export function isHolderAlive({ pid, processStart }: CoreHolder): boolean {
  const start = processTable.startTime(pid);
  return start !== undefined && (processStart === undefined || processStart === start);
}

export interface ServingCore {
  /** Absolute. */
  readonly stateDir: string;
  readonly holder: CoreHolder;
}

/** The cores of this user that run now, the newest first. Forgets those that have left their entry behind. */
export function listServingCores(): ServingCore[] {
  const folder = registryDir();
  // Commands follow what is listed there: what somebody else may have written is no list of ours.
  if (!isPrivateDir(folder) || !isPrivateDir(dirname(folder))) return [];
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
  const cores = names.flatMap((name): ServingCore[] => {
    const path = join(folder, name);
    const stateDir = parsed(object({ stateDir: text({ min: 1 }) }), path)?.stateDir;
    const holder = stateDir === undefined ? undefined : readCoreHolder(stateDir);
    if (stateDir !== undefined && holder !== undefined && isHolderAlive(holder))
      return [{ stateDir, holder }];
    rmSync(path, { force: true });
    return [];
  });
  return cores.toSorted((a, b) => b.holder.startedAt - a.holder.startedAt);
}

function registryDir(): string {
  return join(runtimeDir(), 'cores');
}

function registryEntry(stateDir: string): string {
  const hash = createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 16);
  return join(registryDir(), `${hash}.json`);
}

function parsed<T>(shape: Shape<T>, path: string): T | undefined {
  try {
    return shape(readJson(path), path);
  } catch {
    return undefined;
  }
}
