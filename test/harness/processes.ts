// Looking at the process table through /proc (Linux only, as the test machines are).
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** One letter as in proc(5): R, S, D, Z ... */
  readonly state: string;
  /** Clock ticks since boot: with the pid, the identity of a process. */
  readonly startTime: number;
  readonly command: string;
}

export function processInfo(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name is in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trimEnd();
    return {
      pid,
      state: fields[0] ?? '?',
      parent: Number(fields[1]),
      startTime: Number(fields[19]),
      command,
    };
  } catch {
    // It has ended while we looked.
    return undefined;
  }
}

export function allProcesses(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processInfo(Number(name)))
    .filter((info) => info !== undefined);
}

/** A zombie has ended: only its parent has not looked yet. */
export function isAlive(pid: number): boolean {
  const info = processInfo(pid);
  return info !== undefined && info.state !== 'Z' && info.state !== 'X';
}

/** Children, their children and so on; those that were adopted by init in between are not among them. */
export function descendants(pid: number, all = allProcesses()): ProcessInfo[] {
  const children = all.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...descendants(child.pid, all)]);
}

/**
 * The living processes that carry `name=value` in the environment they were started with: finds what a test
 * has started even after it was detached and its parents are gone.
 */
export function processesMarked(name: string, value: string): ProcessInfo[] {
  const mark = `${name}=${value}`;
  return allProcesses().filter(({ pid, state }) => {
    if (state === 'Z' || pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
    } catch {
      return false;
    }
  });
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Already gone: that is what was wanted.
  }
}

/**
 * Asks again and again until `probe` gives something true, and returns it.
 * @param what named in the error when the deadline passes
 */
export async function waitUntil<T>(
  what: string,
  probe: () => T | Promise<T>,
  { limitMs = 10_000, everyMs = 25 }: { limitMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + limitMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= deadline) throw new Error(`Not within ${limitMs} ms: ${what}`, { cause: lastError });
    await delay(everyMs);
  }
}

/** Asks all of them to end, then kills those that did not within `graceMs`, and waits until they are gone. */
export async function endProcesses(pids: readonly number[], graceMs = 2_000): Promise<void> {
  const alive = (): number[] => pids.filter(isAlive);
  for (const pid of pids) signal(pid, 'SIGTERM');
  try {
    await waitUntil('processes end when asked', () => alive().length === 0, { limitMs: graceMs });
  } catch {
    for (const pid of alive()) signal(pid, 'SIGKILL');
    await waitUntil(`processes ${alive().join(', ')} end when killed`, () => alive().length === 0);
  }
}
