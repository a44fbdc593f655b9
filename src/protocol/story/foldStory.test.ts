import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyDigest, foldDigest } from './digest.ts';
import { foldStory } from './foldStory.ts';
import { emptyStory, textEntryLimit, trimStory } from './story.ts';
import type { Story, StoryEvent } from './story.ts';

type Told = readonly [type: string, data?: Record<string, unknown>];

const events = (told: readonly Told[]): StoryEvent[] =>
  told.map(([type, data = {}], index) => ({
    ordinal: index + 1,
    sequence: 10 + index,
    time: 1_000 * (index + 1),
    type,
    data,
  }));
const storyOf = (...told: Told[]): Story => foldStory(emptyStory, events(told));
const text = (said: string, step = 1): Told => ['worker.generator.output.delta', { step, text: said, to: 0 }];
const thought = (said: string): Told => ['worker.generator.reasoning.delta', { step: 1, text: said }];
const call = (id: string, what = 'started', more: Record<string, unknown> = {}): Told => [
  `mcp.call.${what}`,
  { step: 1, server: 's', tool: 't', call_id: id, ...more },
];

describe('the story of a run', () => {
  it('joins what is said, apart from what is thought and done in between', () => {
    const story = storyOf(thought('hm'), text('a'), text('b'), call('1'), text('c'));
    expect(story.entries.map((entry) => [entry.kind, 'text' in entry ? entry.text : ''])).toEqual([
      ['reasoning', 'hm'],
      ['text', 'ab'],
      ['tool', ''],
      ['text', 'c'],
    ]);
  });

  it('puts the answer of a call to its question, and tells one that was never called', () => {
    const [first, second, third] = storyOf(
      call('1', 'started', { arguments: { path: 'a' } }),
      call('2', 'started', { arguments: 'x' }),
      call('2', 'failed', { error: 'no' }),
      call('1', 'completed', { response: { content: [{ type: 'text', text: 'fine' }] } }),
      call('3', 'skipped', { reason: 'unauthorized' }),
    ).entries;
    expect(first).toMatchObject({ status: 'completed', output: 'fine', input: '{\n  "path": "a"\n}' });
    expect(second).toMatchObject({ status: 'failed', output: 'no', input: 'x' });
    expect(third).toMatchObject({ status: 'skipped', reason: 'unauthorized' });
  });

  it('voids what a failed attempt has said, and nothing before it', () => {
    const { entries } = storyOf(
      text('before'),
      ['worker.generator.started', { step: 1, attempt: 1 }],
      text('half'),
      ['worker.generator.failed', { step: 1, attempt: 1, error: 'HTTP 500', retry_in_ms: 1_500 }],
      ['worker.generator.started', { step: 1, attempt: 2 }],
      text('whole'),
      ['worker.generator.completed', { step: 1, attempts: 2, text: 'whole' }],
    );
    expect(entries.map((entry) => ('state' in entry ? entry.state : entry.kind))).toEqual([
      'done',
      'void',
      'note',
      'done',
    ]);
    expect(entries[2]).toMatchObject({
      text: 'The model did not answer: HTTP 500. It is tried again in 1.5 s.',
    });
  });

  it('takes the text of a model that does not stream from its end', () => {
    const { entries } = storyOf(
      ['worker.generator.started', { step: 1, attempt: 1 }],
      ['worker.generator.completed', { step: 1, attempts: 1, text: 'all at once' }],
    );
    expect(entries).toMatchObject([{ kind: 'text', text: 'all at once', state: 'done' }]);
  });

  it('shows code that was run, and that a budget was used up', () => {
    const { entries } = storyOf(
      ['code_agent.session.started', { task: 't', budget: 1, place: 'container' }],
      ['code_agent.step.started', { step: 1, budget_remaining: 0 }],
      [
        'code_agent.step.execution',
        { step: 1, code_type: 'python', code: 'print(1)', status: 'ok', output: '1', return_code: 0 },
      ],
      [
        'code_agent.session.completed',
        { completion_reason: 'BUDGET_EXHAUSTED', steps_executed: 1, budget: 1 },
      ],
    );
    expect(entries).toMatchObject([
      { kind: 'code', place: 'container', language: 'python', status: 'ok', output: '1', returnCode: 0 },
      { kind: 'note', level: 'warning' },
    ]);
  });

  it('ends what was open when the run does', () => {
    const { entries } = storyOf(['runner.step.started', { step: 1 }], call('1'), text('…'), [
      'response.failed',
      { error: 'lost', reason: 'worker_crashed' },
    ]);
    expect(
      entries.map((entry) => ('status' in entry ? entry.status : 'state' in entry ? entry.state : '')),
    ).toEqual(['ended', 'ended', 'done', 'failed']);
  });

  it('goes on in a new entry where a text is long, whole lines first', () => {
    const line = `${'x'.repeat(99)}\n`;
    const said = Array.from({ length: 1_000 }, () => text(line));
    const { entries } = foldStory(emptyStory, events(said));
    expect(entries.length).toBeGreaterThan(4);
    for (const entry of entries) {
      expect(entry).toMatchObject({ kind: 'text' });
      if (entry.kind === 'text') expect(entry.text.length).toBeLessThanOrEqual(textEntryLimit + line.length);
    }
    expect(entries.map((entry) => ('text' in entry ? entry.text : '')).join('')).toBe(line.repeat(1_000));
  });

  const told: fc.Arbitrary<Told> = fc.oneof(
    fc.string().map((said) => text(said)),
    fc.string().map((said) => thought(said)),
    fc
      .tuple(fc.constantFrom('1', '2'), fc.constantFrom('started', 'completed', 'failed', 'skipped'))
      .map(([id, what]) => call(id, what)),
    fc.constantFrom<Told>(
      ['runner.step.started', { step: 1 }],
      ['runner.step.completed', { step: 1, status: 'success' }],
      ['worker.generator.started', { step: 1 }],
      ['worker.generator.failed', { step: 1, error: 'x', retry_in_ms: null }],
      ['code_agent.step.started', { step: 1 }],
      ['code_agent.session.completed', {}],
      ['response.completed', { status: 'success' }],
    ),
    fc
      .tuple(
        fc.constantFrom(
          'runner.tools.configured',
          'mcp.call.started',
          'code_agent.step.execution',
          'unknown',
        ),
        fc.dictionary(fc.string(), fc.jsonValue()),
      )
      .map(([type, data]): Told => [type, data]),
  );

  it('is the same in whatever portions its events come, and told twice, whatever stands in them', () => {
    fc.assert(
      fc.property(fc.array(told, { maxLength: 60 }), fc.nat(60), (list, cut) => {
        const all = events(list);
        const whole = foldStory(emptyStory, all);
        const first = foldStory(emptyStory, all.slice(0, cut));
        expect(foldStory(first, all.slice(cut))).toEqual(whole);
        expect(foldStory(first, all)).toEqual(whole);
        expect(new Set(whole.entries.map(({ key }) => key)).size).toBe(whole.entries.length);
      }),
    );
  });

  it('keeps its newest entries within its bounds', () => {
    const story = storyOf(call('1'), text('x'.repeat(50)), call('2'), text('y'.repeat(50)));
    expect(trimStory(story, { entries: 2, chars: 1_000 }).entries).toHaveLength(2);
    expect(trimStory(story, { entries: 9, chars: 60 }).entries).toMatchObject([
      { kind: 'tool' },
      { kind: 'text' },
    ]);
    expect(trimStory(story, { entries: 9, chars: 10 }).entries).toMatchObject([{ text: 'y'.repeat(50) }]);
    expect(trimStory(story, { entries: 9, chars: 1_000 })).toBe(story);
  });
});

describe('the digest of a run', () => {
  it('stays bounded and true to its sums, however long the run', () => {
    let digest = emptyDigest;
    const list = Array.from({ length: 5_000 }, (_, index): Told[] => [
      call(String(index)),
      call(String(index), 'completed', {}),
      ['runner.usage', { input_tokens: 10, output_tokens: 2, cost_usd: 0.001 }],
    ]).flat();
    for (const event of events(list)) digest = foldDigest(digest, event);
    expect(digest.spans.length).toBeLessThanOrEqual(241);
    expect(digest.spans.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
    expect(digest.usage.length).toBeLessThanOrEqual(201);
    expect(digest.usage.at(-1)?.tokens).toBe(60_000);
    expect(digest.usage.at(-1)?.cost).toBeCloseTo(5);
  });
});
