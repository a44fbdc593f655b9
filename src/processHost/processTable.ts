import { execFile, execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Processes as the platform tells them. A pid alone is no identity: it is recycled; pid and start time are one. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  /** Session id on Linux; 0 where it is not known. */
  readonly sid: number;
  /** Opaque, comparable for equality only; unique together with the pid, also across reboots. */
  readonly startTime: string;
}

const run = promisify(execFile);
/** Processes read without giving the event loop a turn: about 1 ms. */
const scanSlice = 100;

export interface ProcessTable {
  /** Every process that is not a zombie. */
  list(): Promise<ProcessInfo[]>;
  /** The start time of a process that is no zombie; undefined where it is gone. */
  startTime(pid: number): string | undefined;
  /** Value of ORCHESTRATOR_TOKEN in the environment with which it was started, where we may read it. */
  token(pid: number): string | undefined;
}

const tokenPattern = /(?:^|[\0 ])ORCHESTRATOR_TOKEN=([0-9a-f]+)/;

let bootId: string | undefined;

function linuxBootId(): string {
  bootId ??= readOrUndefined('/proc/sys/kernel/random/boot_id')?.slice(0, 8) ?? 'boot';
  return bootId;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Longer than any `stat` line. */
const statBuffer = Buffer.allocUnsafeSlow(1_024);

/** A scan reads hundreds: without asking for the size and the end, each takes little more than half the time. */
function readStat(pid: number | string): ProcessInfo | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(`/proc/${pid}/stat`, 'r');
    return parseStat(statBuffer.toString('latin1', 0, readSync(descriptor, statBuffer)));
  } catch {
    // It has ended.
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** One `/proc/<pid>/stat`. The name in parentheses may hold spaces and parentheses, so fields count from its end. */
export function parseStat(stat: string): ProcessInfo | undefined {
  const nameEnd = stat.lastIndexOf(')');
  const pid = Number.parseInt(stat, 10);
  const fields = stat.slice(nameEnd + 2).split(' ');
  const [state, ppid, , sid] = fields;
  const ticks = fields[19];
  if (nameEnd < 0 || ticks === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, ppid: Number(ppid), sid: Number(sid), startTime: `${linuxBootId()}:${ticks}` };
}

const linux: ProcessTable = {
  async list() {
    const found: ProcessInfo[] = [];
    let count = 0;
    for (const name of readdirSync('/proc')) {
      const first = name.charCodeAt(0);
      if (first < 0x30 || first > 0x39) continue;
      const info = readStat(name);
      if (info !== undefined) found.push(info);
      if (++count % scanSlice === 0) await setImmediate();
    }
    return found;
  },
  startTime(pid) {
    return readStat(pid)?.startTime;
  },
  token(pid) {
    const environment = readOrUndefined(`/proc/${pid}/environ`);
    return environment === undefined ? undefined : tokenPattern.exec(environment)?.[1];
  },
};

/** One `ps` a listing; its environments stand for `token` until the next one. */
class PsTable implements ProcessTable {
  private tokens = new Map<number, string | undefined>();

  async list(): Promise<ProcessInfo[]> {
    // -E shows the environment of our own processes after the command; lstart has a fixed width of 24.
    const { stdout } = await run('ps', ['-axwwEo', 'pid=,ppid=,state=,lstart=,command='], {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, LC_ALL: 'C' },
    });
    this.tokens = new Map();
    const found: ProcessInfo[] = [];
    for (const line of stdout.split('\n')) {
      const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.{24})\s?(.*)$/.exec(line);
      if (match === null || match[3]?.startsWith('Z') === true) continue;
      const info = {
        pid: Number(match[1]),
        ppid: Number(match[2]),
        sid: 0,
        startTime: (match[4] ?? '').trim(),
      };
      found.push(info);
      this.tokens.set(info.pid, tokenPattern.exec(match[5] ?? '')?.[1]);
    }
    return found;
  }

  startTime(pid: number): string | undefined {
    try {
      const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C' },
      });
      const match = /^\s*(\S+)\s+(.{24})/.exec(line);
      return match === null || match[1]?.startsWith('Z') === true ? undefined : (match[2] ?? '').trim();
    } catch {
      // `ps` ends with 1 where there is no such process.
      return undefined;
    }
  }

  token(pid: number): string | undefined {
    return this.tokens.get(pid);
  }
}

/** Windows keeps the pid reserved while we hold the process, and ends trees by itself (taskkill). */
const windows: ProcessTable = {
  list: () => Promise.resolve([]),
  startTime: (pid) => (isAlive(pid) ? 'alive' : undefined),
  token: () => undefined,
};

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Orders start times of one boot, coarsely; 0 where it is not known. */
export function startOrder(startTime: string | undefined): number {
  if (startTime === undefined) return 0;
  const order = process.platform === 'linux' ? Number(startTime.split(':')[1]) : Date.parse(startTime);
  return Number.isNaN(order) ? 0 : order;
}

export const processTable: ProcessTable =
  process.platform === 'linux' ? linux : process.platform === 'win32' ? windows : new PsTable();
