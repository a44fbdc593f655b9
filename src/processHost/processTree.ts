import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { membersOf } from './cgroups.ts';
import { isAlive, type ProcessInfo, processTable, startOrder } from './processTable.ts';

/**
 * Ends everything that one of our children has started, and nothing else. A process belongs to the tree when it
 * - is the leader (same pid and start time) or descends from a member,
 * - is in the leader's session, while that session is surely the leader's own,
 * - is in the leader's control groups, if it has any, or
 * - carries the leader's random token in its environment: this finds who has forked twice and left the session.
 */
export interface TreeRoot {
  /** Missing where the child was never seen: then only the token tells. */
  readonly pid?: number | undefined;
  readonly startTime?: string | undefined;
  readonly token: string;
  /**
   * The caller saw the leader alive or just now saw it end. A session's number is not given away while the session has
   * members, so then its members are ours even if they have wiped their environment.
   */
  readonly isSessionOurs: boolean;
  /** Folders of the control groups that were made for it and nobody else. */
  readonly groups?: readonly string[] | undefined;
}

export const defaultGraceMs = 1_000;
/** Rounds of SIGKILL, against trees that fork while they are being killed. */
const maxKillRounds = 200;
const pollMs = 10;

const run = promisify(execFile);

/**
 * Everything of these trees that lives now, by one scan for all of them.
 * @param known members of an earlier scan: they and what they have started belong to the tree, even once their parents
 * are gone.
 */
export async function findTrees(
  roots: readonly TreeRoot[],
  known: readonly ProcessInfo[] = [],
): Promise<ProcessInfo[]> {
  const all = await processTable.list();
  const members = new Map<number, ProcessInfo>();
  const children = new Map<number, ProcessInfo[]>();
  for (const info of all) {
    const siblings = children.get(info.ppid);
    if (siblings === undefined) children.set(info.ppid, [info]);
    else siblings.push(info);
  }
  const addWithDescendants = (info: ProcessInfo): void => {
    if (members.has(info.pid) || info.pid === process.pid) return;
    members.set(info.pid, info);
    for (const child of children.get(info.pid) ?? []) addWithDescendants(child);
  };

  const leaders = new Map<number, string>();
  const sessions = new Set<number>();
  for (const { pid, startTime, isSessionOurs } of roots) {
    if (pid === undefined) continue;
    if (startTime !== undefined) leaders.set(pid, startTime);
    if (isSessionOurs) sessions.add(pid);
  }
  for (const { pid, startTime } of known) leaders.set(pid, startTime);
  for (const info of all) {
    const startTime = leaders.get(info.pid);
    if (startTime === undefined) continue;
    if (startTime === info.startTime) {
      addWithDescendants(info);
      if (info.sid === info.pid) sessions.add(info.sid);
    } else {
      // The pid is another's by now, and so may be the session of that number.
      sessions.delete(info.pid);
    }
  }
  const grouped = membersOf(roots.flatMap(({ groups }) => groups ?? []));
  const tokens = new Set(roots.map(({ token }) => token));
  const oldest = Math.min(...roots.map(({ startTime }) => startOrder(startTime)));
  for (const info of all) {
    // Reading an environment costs most; who is older than every leader has none of their tokens.
    if (members.has(info.pid) || startOrder(info.startTime) < oldest) continue;
    if (sessions.has(info.sid) || grouped.has(info.pid)) addWithDescendants(info);
    else {
      const token = processTable.token(info.pid);
      if (token !== undefined && tokens.has(token)) addWithDescendants(info);
    }
  }
  return [...members.values()];
}

/**
 * Asks the trees to end (hang-up, continue, terminate) and kills what is still there after `graceMs`.
 * Resolves when nothing of them lives; each process is checked again before each signal.
 * @returns whether all are gone; false only for processes that even SIGKILL does not end.
 */
export async function killTrees(roots: readonly TreeRoot[], graceMs = defaultGraceMs): Promise<boolean> {
  if (process.platform === 'win32') return killOnWindows(roots);
  let alive = await findTrees(roots);
  let known = alive;
  if (graceMs > 0 && alive.length > 0) {
    // A stopped process hears the hang-up only once it is continued.
    for (const name of ['SIGHUP', 'SIGCONT', 'SIGTERM'] as const) signal(alive, name);
    const deadline = Date.now() + graceMs;
    do {
      await delay(pollMs);
      alive = alive.filter(isSame);
      // Who ends may have left children behind, so look once more before it counts as gone.
      if (alive.length === 0) {
        alive = await findTrees(roots, known);
        known = [...known, ...alive];
        signal(alive, 'SIGHUP');
        signal(alive, 'SIGTERM');
      }
    } while (alive.length > 0 && Date.now() < deadline);
  }
  for (let round = 0; round < maxKillRounds; round++) {
    const found = await findTrees(roots, known);
    if (found.length === 0) return true;
    known = [...known.filter(isSame), ...found];
    signal(found, 'SIGKILL');
    await delay(Math.min(pollMs * (round + 1), 250));
  }
  return false;
}

function isSame(info: ProcessInfo): boolean {
  return processTable.startTime(info.pid) === info.startTime;
}

function signal(members: readonly ProcessInfo[], name: NodeJS.Signals): void {
  for (const info of members) {
    if (!isSame(info)) continue;
    try {
      process.kill(info.pid, name);
    } catch {
      // It ended between the look and the signal, or belongs to another user by now (setuid).
    }
  }
}

async function killOnWindows(roots: readonly TreeRoot[]): Promise<boolean> {
  for (const { pid } of roots) {
    if (pid === undefined || !isAlive(pid)) continue;
    // Fails where the process has ended meanwhile.
    await run('taskkill', ['/T', '/F', '/PID', String(pid)]).catch(() => undefined);
  }
  return roots.every(({ pid }) => pid === undefined || !isAlive(pid));
}
