import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';

/** The load of one moment. */
export interface LoadSample {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly sessions: number;
  readonly queued: number;
  /** In both directions; undefined where the door does not count, or there was no sample just before. */
  readonly traffic: Traffic | undefined;
}

/** A second's. */
export interface Traffic {
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Counters that are so far apart tell no rate of now. */
const longestStepMs = 5_000;

/** What the daemon's load was of late: one sample a second while somebody looks. */
export class LoadHistory {
  private readonly spanMs: number;
  private kept: LoadSample[] = [];
  private last: { readonly time: number; readonly counters: DaemonStatus['connections'] } | undefined;

  constructor(spanMs: number) {
    this.spanMs = spanMs;
  }

  get samples(): readonly LoadSample[] {
    return this.kept;
  }

  add(status: DaemonStatus, time: number): LoadSample {
    const { activeSessions: sessions, queuedTasks: queued, connections: counters } = status;
    const sample = { time, sessions, queued, traffic: this.trafficSince(counters, time) };
    this.last = { time, counters };
    this.kept = [...this.kept.filter((one) => one.time > time - this.spanMs), sample];
    return sample;
  }

  clear(): void {
    this.kept = [];
    this.last = undefined;
  }

  private trafficSince(now: DaemonStatus['connections'], time: number): Traffic | undefined {
    const before = this.last?.counters;
    if (this.last === undefined || before === undefined || now === undefined) return undefined;
    const elapsedMs = time - this.last.time;
    // A daemon that was started anew counts from 0 again.
    if (elapsedMs <= 0 || elapsedMs > longestStepMs || now.bytesSent < before.bytesSent) return undefined;
    const rate = (name: Exclude<keyof typeof now, 'clients'>): number =>
      ((now[name] - before[name]) * 1_000) / elapsedMs;
    return {
      framesIn: rate('framesReceived'),
      framesOut: rate('framesSent'),
      bytesIn: rate('bytesReceived'),
      bytesOut: rate('bytesSent'),
    };
  }
}
