import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorError } from '../base/errors.ts';
import type { TerminalCeilings } from '../core/ports/processHost.ts';
import { readTextIfThere, systemCode } from './files.ts';

/**
 * Ceilings of a terminal by Linux control groups, of version 2 and of version 1, whichever holds a controller here. A
 * group is made beside or below our own, never above a limit that holds for us; nothing of a group that is not ours is
 * changed.
 */

export type Controller = 'memory' | 'cpu' | 'pids';

/** What the kernel says of the mounts and of our own groups; read anew for each terminal. */
export interface CgroupSource {
  /** As in `/proc/self/mountinfo`. */
  readonly mounts: string;
  /** As in `/proc/self/cgroup`. */
  readonly membership: string;
}

/** A folder below which groups can be made that hold these controllers. */
interface Parent {
  readonly path: string;
  readonly version: 1 | 2;
  readonly controllers: readonly Controller[];
}

/** A group to be made. */
export interface PlannedGroup extends Parent {
  readonly parent: string;
}

const controllerOf = { memoryBytes: 'memory', cpuPercent: 'cpu', processes: 'pids' } as const;
const resourceOf: Readonly<Record<Controller, string>> = {
  memory: 'memory',
  cpu: 'processor time',
  pids: 'the number of processes',
};
/** A processor's share is counted over so long, in microseconds; 1 % of it is the least that the kernel takes. */
const cpuPeriodUs = 100_000;
const removeTries = 50;
const removePollMs = 10;

/**
 * The groups that a terminal with these ceilings needs: one, or with version 1 one for each controller.
 * @param name of each group: unique, so that nobody else's has it.
 * @throws OrchestratorError ceilings_unavailable
 */
export function planGroups(
  ceilings: TerminalCeilings,
  name: string,
  source = readSource(),
): readonly PlannedGroup[] {
  const needed = (Object.keys(controllerOf) as (keyof typeof controllerOf)[])
    .filter((key) => ceilings[key] !== undefined)
    .map((key) => controllerOf[key]);
  return findParents(needed, source).map((parent) => ({
    ...parent,
    parent: parent.path,
    path: join(parent.path, name),
  }));
}

/** For diagnosis: of each controller undefined where ceilings can be set, otherwise what is missing. */
export function missingForCeilings(source?: CgroupSource): Readonly<Record<Controller, string | undefined>> {
  const missing = (controller: Controller): string | undefined => {
    try {
      findParents([controller], source ?? readSource());
      return undefined;
    } catch (error) {
      const { details, message } = OrchestratorError.from(error);
      return typeof details?.['missing'] === 'string' ? details['missing'] : message;
    }
  };
  return { memory: missing('memory'), cpu: missing('cpu'), pids: missing('pids') };
}

/**
 * Makes the groups and sets their ceilings. To be called once they stand in the ledger.
 * @throws OrchestratorError ceilings_unavailable; then none of them is left.
 */
export function createGroups(groups: readonly PlannedGroup[], ceilings: TerminalCeilings): void {
  const made: string[] = [];
  try {
    for (const { path, version, controllers } of groups) {
      mkdirSync(path);
      made.push(path);
      for (const controller of controllers) setCeiling(path, version, controller, ceilings);
    }
  } catch (error) {
    for (const path of made) tryRemove(path);
    const reason = systemCode(error) ?? OrchestratorError.from(error).message;
    throw unavailable(
      `a control group could not be made below ${groups[0]?.parent ?? ''} (${reason})`,
      error,
    );
  }
}

/** How to start a program inside the groups: it joins them before it becomes that program, or does not run at all. */
export function joinCommand(
  groups: readonly string[],
  file: string,
  args: readonly string[],
): { readonly file: string; readonly args: readonly string[] } {
  const join = groups.map((_, index) => `echo 0 >"\${${index + 1}}" || exit 126`).join('; ');
  const script = `${join}; shift ${groups.length}; exec "$@"`;
  const doors = groups.map((path) => `${path}/cgroup.procs`);
  return { file: '/bin/sh', args: ['-c', script, 'sh', ...doors, file, ...args] };
}

/** Processes in the groups. */
export function membersOf(groups: readonly string[]): Set<number> {
  const pids = groups.flatMap((path) =>
    (readOrEmpty(`${path}/cgroup.procs`).match(/\d+/g) ?? []).map(Number),
  );
  return new Set(pids);
}

/** How many processes the kernel has killed at the groups' memory ceiling. */
export function oomKillsOf(groups: readonly string[]): number {
  const counts = groups.map((path) => {
    const text = readOrEmpty(`${path}/memory.events`) + readOrEmpty(`${path}/memory.oom_control`);
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  });
  return Math.max(0, ...counts);
}

/**
 * Removes groups whose processes have ended; the kernel may take a moment to see that.
 * @returns whether all are gone.
 */
export async function removeGroups(groups: readonly string[]): Promise<boolean> {
  for (let attempt = 0; attempt < removeTries; attempt++) {
    if (groups.map(tryRemove).every(Boolean)) return true;
    await delay(removePollMs);
  }
  return false;
}

function tryRemove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return systemCode(error) === 'ENOENT';
  }
}

function readSource(): CgroupSource {
  if (process.platform !== 'linux') throw unavailable('only Linux has control groups');
  return {
    mounts: readTextIfThere('/proc/self/mountinfo') ?? '',
    membership: readTextIfThere('/proc/self/cgroup') ?? '',
  };
}

function setCeiling(
  path: string,
  version: 1 | 2,
  controller: Controller,
  { memoryBytes, cpuPercent, processes }: TerminalCeilings,
): void {
  const set = (file: string, value: number | string | undefined): void => {
    if (value !== undefined) writeFileSync(join(path, file), String(value));
  };
  const setWhereThere = (file: string, value: number | undefined): void => {
    if (existsSync(join(path, file))) set(file, value);
  };
  const quotaUs = cpuPercent === undefined ? undefined : Math.round((cpuPercent / 100) * cpuPeriodUs);
  if (controller === 'pids') set('pids.max', processes);
  else if (version === 2 && controller === 'memory') {
    set('memory.max', memoryBytes);
    // Otherwise what does not fit would be swapped out, without any ceiling.
    setWhereThere('memory.swap.max', 0);
  } else if (version === 2) set('cpu.max', `${quotaUs ?? 'max'} ${cpuPeriodUs}`);
  else if (controller === 'memory') {
    set('memory.limit_in_bytes', memoryBytes);
    setWhereThere('memory.memsw.limit_in_bytes', memoryBytes);
  } else {
    set('cpu.cfs_period_us', cpuPeriodUs);
    set('cpu.cfs_quota_us', quotaUs);
  }
}

/** @throws OrchestratorError ceilings_unavailable */
function findParents(needed: readonly Controller[], { mounts, membership }: CgroupSource): Parent[] {
  const parents: Parent[] = [];
  const unified: Controller[] = [];
  for (const controller of needed) {
    const own = membershipOf(membership, controller);
    if (own === undefined) unified.push(controller);
    else parents.push(findVersion1(controller, own, mounts));
  }
  if (unified.length > 0) parents.push(findVersion2(unified, membershipOf(membership, '') ?? '', mounts));
  // Controllers may share one hierarchy of version 1, as cpu and cpuacct do.
  return [...Map.groupBy(parents, ({ path }) => path).values()].flatMap(([first, ...rest]) =>
    first === undefined
      ? []
      : [{ ...first, controllers: [first, ...rest].flatMap(({ controllers }) => controllers) }],
  );
}

/** Our own group of the hierarchy that holds the controller; '' is the unified one. */
function membershipOf(membership: string, controller: Controller | ''): string | undefined {
  for (const line of membership.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== undefined && controllers?.split(',').includes(controller) === true) return path;
  }
  return undefined;
}

function findVersion1(controller: Controller, own: string, mounts: string): Parent {
  const path = ownFolder(mounts, own, (type, options) => type === 'cgroup' && options.includes(controller));
  if (path === undefined) throw unavailable(`the control group of ${resourceOf[controller]} is not mounted`);
  if (!isWritable(path)) throw unavailable(`this user may not make control groups in ${path}`);
  return { path, version: 1, controllers: [controller] };
}

/**
 * From our own group upwards, the first one that hands these controllers on to its children and in which we may make
 * some. A group that limits us is not left.
 */
function findVersion2(controllers: readonly Controller[], own: string, mounts: string): Parent {
  const what = controllers.map((controller) => resourceOf[controller]).join(' and ');
  const root = mountOf(mounts, (type) => type === 'cgroup2');
  const folder = ownFolder(mounts, own, (type) => type === 'cgroup2');
  if (root === undefined || folder === undefined) {
    throw unavailable(`no control groups for ${what} are mounted`);
  }
  let unwritable: string | undefined;
  for (let path = folder; ; path = dirname(path)) {
    const handedOn = readOrEmpty(`${path}/cgroup.subtree_control`).trim().split(' ');
    if (controllers.every((controller) => handedOn.includes(controller))) {
      if (isWritable(path) && isWritable(`${path}/cgroup.procs`)) return { path, version: 2, controllers };
      unwritable ??= path;
    }
    if (path === root.point || isLimited(path)) break;
  }
  throw unavailable(
    unwritable === undefined
      ? `no control group around this process hands ${what} on to groups below it (cgroup.subtree_control)`
      : `this user may not make control groups in ${unwritable}`,
  );
}

function isLimited(path: string): boolean {
  return ['memory.max', 'cpu.max'].some((file) => !/^(?:max\b|$)/.test(readOrEmpty(`${path}/${file}`)));
}

interface Mount {
  /** Which part of the hierarchy is mounted. */
  readonly root: string;
  readonly point: string;
}

function mountOf(
  mounts: string,
  isWanted: (type: string, options: readonly string[]) => boolean,
): Mount | undefined {
  for (const line of mounts.split('\n')) {
    // id, parent, device, root, mount point, options, fields of no fixed number, "-", type, source, options of the type.
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ').map(unescapeOctal);
    const [type, , options] = after.split(' ');
    if (root === undefined || point === undefined || type === undefined) continue;
    if (isWanted(type, options?.split(',') ?? [])) return { root, point };
  }
  return undefined;
}

/** Our own group as a folder; undefined where it is not within what is mounted. */
function ownFolder(
  mounts: string,
  own: string,
  isWanted: (type: string, options: readonly string[]) => boolean,
): string | undefined {
  const mount = mountOf(mounts, isWanted);
  if (mount === undefined) return undefined;
  const { root, point } = mount;
  const isWithin = root === '/' || own === root || own.startsWith(`${root}/`);
  const folder = join(point, isWithin && root !== '/' ? own.slice(root.length) : own);
  return existsSync(folder) ? folder : undefined;
}

/** Blanks and the like in paths of mountinfo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Not every group has every file, and one that has been removed has none.
    return '';
  }
}

function unavailable(what: string, cause?: unknown): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'ceilings_unavailable',
    `The terminal cannot be given ceilings: ${what}. Start it without them, or where control groups are delegated to this user (orchestrator doctor tells).`,
    { details: { missing: what }, cause },
  );
}
