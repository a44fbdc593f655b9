import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import type { HostMessage } from '../../protocol/runPanel.ts';
import { outputSourceOf, readOutput } from './outputSource.ts';
import { StepOutputStream } from './stepOutput.ts';

/** The output of the steps that a panel has open. */
export class StepStreams {
  private readonly streams = new Map<number, StepOutputStream>();
  private readonly post: (message: HostMessage) => Promise<boolean>;
  private readonly logger: Logger;

  constructor(post: (message: HostMessage) => Promise<boolean>, logger: Logger) {
    this.post = post;
    this.logger = logger;
  }

  open(orchestrator: LiveOrchestrator, run: Run, step: number): void {
    if (this.streams.has(step)) return;
    const stream = new StepOutputStream({
      step,
      read: (source, from, to) => readOutput(orchestrator, source, from, to),
      post: this.post,
    });
    this.streams.set(step, stream);
    this.feedOne(stream, run, step);
  }

  close(step: number): void {
    this.streams.get(step)?.stop();
    this.streams.delete(step);
  }

  /** The run has gone on. */
  feed(run: Run): void {
    for (const [step, stream] of this.streams) this.feedOne(stream, run, step);
  }

  stop(): void {
    for (const stream of this.streams.values()) stream.stop();
    this.streams.clear();
  }

  private feedOne(stream: StepOutputStream, run: Run, index: number): void {
    const step = run.steps.find((candidate) => candidate.index === index);
    if (step === undefined) return;
    stream.update(outputSourceOf(run, step), step.status !== 'running' && step.status !== 'pending');
    stream.settled().catch((error: unknown) => {
      this.logger.warn(`the output of step ${index} could not be read`, error);
    });
  }
}
