import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { TreeUsage } from '../ports/processMetrics.ts';
import type { Terminal } from './terminal.ts';

/** What a terminal's program and all below it use. */
export interface TerminalMetrics extends TreeUsage {
  /** Share of one processor since the last look, at most a minute ago; above 100 where several are used. */
  readonly cpuPercent: number;
}

interface Sample {
  readonly usage: TreeUsage;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

type Metric = 'cpu_percent' | 'memory_bytes';

const keyOf = (id: string, metric: Metric): string => `${id} ${metric}`;

const shortestMs = 250;
const longestMs = 60_000;
const watchMs = 5_000;
/** A threshold is told again once the value has been this much below it. */
const rearmShare = 0.9;

/**
 * Measures terminals when somebody looks, and, where a threshold is set, every 5 s while one runs. A passed threshold
 * is a `terminal.threshold` event, once until the value falls again.
 */
export class TerminalMeter implements Disposable {
  private readonly context: CoreContext;
  private readonly samples = new Map<string, Sample>();
  private readonly passed = new Set<string>();
  private timer: Disposable | undefined;
  private isDisposed = false;

  constructor(context: CoreContext) {
    this.context = context;
  }

  /** Undefined for one that does not run, and where the machine does not tell. Takes 250 ms the first time. */
  async measure(terminal: Terminal): Promise<TerminalMetrics | undefined> {
    const { clock } = this.context;
    if (terminal.state !== 'running') return undefined;
    const age = clock.now() - (this.samples.get(terminal.id)?.at ?? -Infinity);
    if (age > longestMs && (await this.sample([terminal])).size === 0) return undefined;
    if (age > longestMs || age < shortestMs) {
      await new Promise<void>((resolve) => void clock.setTimer(shortestMs, resolve));
    }
    return (await this.sample([terminal])).get(terminal.id);
  }

  /** Forgets an ended terminal. */
  forget(id: string): void {
    this.samples.delete(id);
    for (const metric of ['cpu_percent', 'memory_bytes'] as const) this.passed.delete(keyOf(id, metric));
  }

  /** Watches for passed thresholds from here on, if there are any; to be called again when they change. */
  watch(): void {
    const { cpuThresholdPercent, memoryThresholdBytes } = this.context.limits;
    this.timer?.dispose();
    if (this.isDisposed || (cpuThresholdPercent === 0 && memoryThresholdBytes === 0)) return;
    this.timer = this.context.clock.setTimer(watchMs, () => {
      this.check()
        .catch((error: unknown) => this.context.logger.warn('The terminals could not be measured', error))
        .finally(() => this.watch());
    });
  }

  dispose(): void {
    this.isDisposed = true;
    this.timer?.dispose();
  }

  private async check(): Promise<void> {
    const live = [...this.context.state.terminals.values()].filter(({ state }) => state === 'running');
    const now = this.context.clock.now();
    // Over less than that, the share of a processor is mere chance; somebody else has just looked.
    const due = live.filter(({ id }) => now - (this.samples.get(id)?.at ?? -Infinity) >= shortestMs);
    const metrics = await this.sample(due);
    const { cpuThresholdPercent, memoryThresholdBytes } = this.context.limits;
    for (const terminal of due) {
      const found = metrics.get(terminal.id);
      if (found === undefined) continue;
      this.compare(terminal, 'cpu_percent', found.cpuPercent, cpuThresholdPercent);
      this.compare(terminal, 'memory_bytes', found.memoryBytes, memoryThresholdBytes);
    }
  }

  private compare({ id, sessionId }: Terminal, metric: Metric, value: number, threshold: number): void {
    if (threshold === 0 || this.isDisposed) return;
    const key = keyOf(id, metric);
    if (value < threshold * rearmShare) this.passed.delete(key);
    if (value < threshold || this.passed.has(key)) return;
    this.context.log.commit((tx) => {
      tx.report('terminal.threshold', { sessionId, terminalId: id }, { metric, value, threshold });
    });
    // Only now: what could not be stored is told the next time.
    this.passed.add(key);
  }

  private async sample(terminals: readonly Terminal[]): Promise<Map<string, TerminalMetrics>> {
    const { processMetrics, clock } = this.context;
    const running = terminals.filter(({ state, pid }) => state === 'running' && pid > 0);
    const found = new Map<string, TerminalMetrics>();
    if (processMetrics === undefined || running.length === 0) return found;
    const usages = await processMetrics.sample(running.map(({ pid }) => pid));
    const at = clock.now();
    for (const { id, pid } of running) {
      const usage = usages.get(pid);
      if (usage === undefined) continue;
      const before = this.samples.get(id);
      const elapsedMs = at - (before?.at ?? at);
      // The time of a child that is just being reaped can be missing for a moment.
      const usedMs = Math.max(0, usage.cpuMs - (before?.usage.cpuMs ?? usage.cpuMs));
      const cpuPercent = elapsedMs <= 0 ? 0 : Math.round((usedMs / elapsedMs) * 1_000) / 10;
      found.set(id, { ...usage, cpuPercent });
      this.samples.set(id, { usage, at });
    }
    return found;
  }
}
