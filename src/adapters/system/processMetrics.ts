import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ProcessMetrics, TreeUsage } from '../../core/ports/processMetrics.ts';

interface ProcessUsage {
  readonly pid: number;
  readonly ppid: number;
  /** Session id on Linux, which a process keeps when its parent ends; 0 where it is not known. */
  readonly sid: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

const run = promisify(execFile);
/** USER_HZ: 100 ticks a second on every Linux that Node runs on. */
const tickMs = 10;

/** Measures process trees: by /proc on Linux, by `ps` on other Unixes; on Windows nothing is known. */
export function createProcessMetrics(platform: NodeJS.Platform = process.platform): ProcessMetrics {
  return {
    async sample(roots) {
      if (roots.length === 0 || platform === 'win32') return new Map();
      const isLinux = platform === 'linux';
      const all = isLinux ? await readProc() : await readPs();
      const byPid = new Map(all.map((process) => [process.pid, process]));
      const byParent = Map.groupBy(all, ({ ppid }) => ppid);
      const bySession = Map.groupBy(all, ({ sid }) => sid);
      const found = new Map<number, TreeUsage>();
      for (const root of roots) {
        const leader = byPid.get(root);
        // A terminal's program leads a session of its own, so what has left its parent is still found by that.
        const members = bySession.get(root) ?? [];
        const tree = withChildren(leader === undefined ? members : [leader, ...members], byParent);
        if (tree.length === 0) continue;
        found.set(root, {
          processes: tree.length,
          cpuMs: sum(tree.map(({ cpuMs }) => cpuMs)),
          memoryBytes: sum(tree.map(({ memoryBytes }) => memoryBytes)),
          ...(isLinux ? await readIo(tree) : { readBytes: null, writtenBytes: null }),
        });
      }
      return found;
    },
  };
}

function withChildren(
  first: readonly ProcessUsage[],
  byParent: ReadonlyMap<number, readonly ProcessUsage[]>,
): ProcessUsage[] {
  const tree = new Map<number, ProcessUsage>();
  const waiting = [...first];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (tree.has(next.pid)) continue;
    tree.set(next.pid, next);
    waiting.push(...(byParent.get(next.pid) ?? []));
  }
  return [...tree.values()];
}

async function readProc(): Promise<ProcessUsage[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readOrUndefined(`/proc/${pid}/stat`)));
  const pageBytes = await pageSize();
  return stats.flatMap((stat) => (stat === undefined ? [] : (parseStat(stat, pageBytes) ?? [])));
}

/** One `/proc/<pid>/stat`. The name in parentheses may hold spaces and parentheses, so fields count from its end. */
export function parseStat(stat: string, pageBytes: number): ProcessUsage | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const [ppid, sid, user, system, childUser, childSystem, pages] = [1, 3, 11, 12, 13, 14, 21].map((index) =>
    Number(fields[index]),
  );
  if (state === 'Z' || ppid === undefined || sid === undefined || pages === undefined) return undefined;
  const ticks = sum([user, system, childUser, childSystem].map((value) => value ?? 0));
  return {
    pid: Number.parseInt(stat, 10),
    ppid,
    sid,
    cpuMs: ticks * tickMs,
    memoryBytes: pages * pageBytes,
  };
}

/** Of another user's process there is nothing to read: its part counts as none. */
async function readIo(
  tree: readonly ProcessUsage[],
): Promise<{ readonly readBytes: number; readonly writtenBytes: number }> {
  const files = await Promise.all(tree.map(({ pid }) => readOrUndefined(`/proc/${pid}/io`)));
  const total = (name: string): number =>
    sum(files.map((file) => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(file ?? '')?.[1] ?? 0)));
  return { readBytes: total('rchar'), writtenBytes: total('wchar') };
}

let knownPageSize: Promise<number> | undefined;

function pageSize(): Promise<number> {
  knownPageSize ??= run('getconf', ['PAGESIZE']).then(
    ({ stdout }) => Number(stdout) || 4_096,
    () => 4_096,
  );
  return knownPageSize;
}

async function readPs(): Promise<ProcessUsage[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,rss=,time='], { maxBuffer: 16 * 1024 * 1024 });
  return stdout.split('\n').flatMap((line) => parsePs(line) ?? []);
}

/** One line of `ps -o pid=,ppid=,rss=,time=`: time as `[[dd-]hh:]mm:ss[.cc]`, rss in KiB. */
export function parsePs(line: string): ProcessUsage | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)\s*$/.exec(line);
  if (match === null) return undefined;
  const [pid = 0, ppid = 0, kibibytes = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1)
    .map((value: string | undefined) => Number(value ?? 0));
  const cpuMs = Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000);
  return { pid, ppid, sid: 0, cpuMs, memoryBytes: kibibytes * 1_024 };
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    // It has ended, or is another user's.
    return undefined;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
