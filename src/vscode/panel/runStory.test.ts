import { describe, expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { Run } from '../../core/runs/run.ts';
import type { HostMessage } from '../../protocol/runPanel.ts';
import { foldStory } from '../../protocol/story/foldStory.ts';
import { emptyStory } from '../../protocol/story/story.ts';
import type { StoryEvent } from '../../protocol/story/story.ts';
import { type PastRun, RunStory, windowEvents } from './runStory.ts';
import { toStoryEvent } from './storyEvent.ts';

type StoryMessage = Extract<HostMessage, { type: 'story' }>;

const run: Run = {
  id: 'r1',
  sessionId: 's1',
  request: { task: 'think', engine: 'claude-code' },
  status: 'running',
  steps: [{ index: 1, command: 'think', status: 'running' }],
  createdAt: 1,
  isAborting: false,
  terminalIds: [],
};

/** A log in which the events of another run lie between those of this one. */
class Log {
  readonly events: OrchestratorEvent[] = [];
  reads = 0;

  add(type: string, data: Record<string, unknown> = {}): void {
    const sequence = this.events.length * 2 + 1;
    this.events.push({ sequence, id: String(sequence), type, time: sequence, runId: 'r1', data });
  }

  say(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const text = `${this.events.length} `;
      this.add('worker.generator.output.delta', { step: 1, text, to: text.length });
    }
  }

  readonly read = ({ after, limit }: { after: number; limit: number }): OrchestratorEvent[] => {
    this.reads += 1;
    return this.events.filter(({ sequence }) => sequence > after).slice(0, limit);
  };
}

/** Keeps what the page would: the events of the window. */
class Page {
  readonly messages: StoryMessage[] = [];
  events: StoryEvent[] = [];
  past: PastRun | undefined;
  readonly story: RunStory;

  constructor(log: Log) {
    this.story = new RunStory({
      run,
      read: log.read,
      post: async (message) => {
        if (message.type !== 'story') return true;
        this.messages.push(message);
        this.events = message.isReset ? message.events : [...this.events, ...message.events];
        return Promise.resolve(true);
      },
      postRun: (past) => void (this.past = past),
    });
  }

  async settle(): Promise<void> {
    this.story.update();
    await this.story.settled();
  }

  get ordinals(): [number | undefined, number | undefined] {
    return [this.events[0]?.ordinal, this.events.at(-1)?.ordinal];
  }
}

describe('the story that a panel is sent', () => {
  it('is the same live and replayed', async () => {
    const log = new Log();
    const live = new Page(log);
    for (let index = 0; index < 20; index += 1) {
      log.say(37);
      log.add('mcp.call.started', { step: 1, server: 's', tool: 't', call_id: String(index), arguments: {} });
      await live.settle();
    }
    const replayed = new Page(log);
    await replayed.settle();
    expect(live.events).toEqual(replayed.events);
    expect(foldStory(emptyStory, live.events)).toEqual(foldStory(emptyStory, replayed.events));
    expect(live.messages.at(-1)?.digest).toEqual(replayed.messages.at(-1)?.digest);
  });

  it('sends the newest part of a long run, and others where the page asks for them', async () => {
    const log = new Log();
    log.say(10_234);
    const page = new Page(log);
    await page.settle();
    expect(page.ordinals).toEqual([10_234 - windowEvents + 1, 10_234]);
    expect(page.messages.every(({ events }) => events.length <= 500)).toBe(true);
    page.story.showFrom(101);
    await page.settle();
    expect(page.ordinals).toEqual([101, 100 + windowEvents]);
    // What comes meanwhile is counted, and does not tear the page away.
    log.say(3);
    await page.settle();
    expect(page.ordinals).toEqual([101, 100 + windowEvents]);
    expect(page.messages.at(-1)?.total).toBe(10_237);
    page.story.showAt(undefined);
    await page.settle();
    log.say(2);
    await page.settle();
    expect(page.ordinals[1]).toBe(10_239);
  });

  it('shows the run as it was after any of its events, reading one page for it', async () => {
    const log = new Log();
    log.add('response.in_progress', {});
    log.add('runner.step.started', { step: 1 });
    log.say(2_000);
    log.add('runner.step.completed', { step: 1, status: 'success' });
    log.add('response.completed', { status: 'success', outcome: 'succeeded' });
    const page = new Page(log);
    await page.settle();
    expect(page.past).toBeUndefined();
    for (const [at, status, step] of [
      [1, 'running', 'pending'],
      [2, 'running', 'running'],
      [1_500, 'running', 'running'],
      [2_003, 'running', 'succeeded'],
      [2_004, 'succeeded', 'succeeded'],
    ] as const) {
      page.story.showAt(at);
      await page.settle();
      expect(page.past?.run).toMatchObject({ status, steps: [{ status: step }] });
      expect(page.messages.at(-1)).toMatchObject({ at });
      expect(page.ordinals[1] ?? at).toBeLessThanOrEqual(at);
    }
    page.story.showAt(undefined);
    await page.settle();
    expect(page.past).toBeUndefined();
  });

  it('says nothing once it is stopped', async () => {
    const log = new Log();
    log.say(10);
    const page = new Page(log);
    page.story.stop();
    await page.settle();
    expect(page.messages).toEqual([]);
  });

  it('cuts what is long, and says so', () => {
    const event = { sequence: 1, id: '1', time: 1, type: 'mcp.call.completed' };
    const response = { content: [{ text: 'x'.repeat(10_000_000) }] };
    const cut = toStoryEvent({ ...event, data: { call_id: '1', response } }, 1);
    expect(cut?.isCut).toBe(true);
    expect(JSON.stringify(cut).length).toBeLessThan(20_000);
    expect(toStoryEvent({ ...event, type: 'runner.step.output', data: {} }, 1)).toBeUndefined();
  });
});
