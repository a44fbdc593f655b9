import * as z from 'zod/mini';
import { numberOf, textOf } from './payload.ts';
import type { StoryEvent } from './story.ts';

/** A whole run at a glance, however long it was: bars over time, and what it has used. Bounded. */

const span = z.object({
  kind: z.enum(['step', 'call']),
  /** Ordinal of the event that began it. */
  ordinal: z.number(),
  label: z.string(),
  from: z.number(),
  /** Missing while it goes on. */
  to: z.optional(z.number()),
  status: z.enum(['running', 'ok', 'bad']),
  /** How many neighbours were drawn together to this one. */
  count: z.number(),
});
export type StorySpan = z.infer<typeof span>;

const usagePoint = z.object({
  time: z.number(),
  /** Tokens up to here, input and output together. */
  tokens: z.number(),
  /** US dollars up to here. */
  cost: z.number(),
});
export type UsagePoint = z.infer<typeof usagePoint>;

export const storyDigest = z.object({ spans: z.array(span), usage: z.array(usagePoint) });
export type StoryDigest = z.infer<typeof storyDigest>;

export const emptyDigest: StoryDigest = { spans: [], usage: [] };

/** As many as a strip of a panel can tell apart. */
const mostSpans = 240;
const mostPoints = 200;
const labelLimit = 80;

/** The digest after one more event. Pure. */
export function foldDigest(digest: StoryDigest, { type, data, time, ordinal }: StoryEvent): StoryDigest {
  switch (type) {
    case 'runner.step.started':
      return withSpan(digest, 'step', ordinal, `step ${numberOf(data, 'step') ?? 0}`, time);
    case 'mcp.call.started': {
      const label = `${textOf(data, 'server')} ${textOf(data, 'tool')}`.slice(0, labelLimit);
      return withSpan(digest, 'call', ordinal, label, time);
    }
    case 'code_agent.step.started':
      return withSpan(digest, 'call', ordinal, 'code', time);
    case 'runner.step.completed':
      return ended(
        digest,
        'step',
        `step ${numberOf(data, 'step') ?? 0}`,
        time,
        textOf(data, 'status') !== 'failed',
      );
    case 'mcp.call.completed':
    case 'mcp.call.failed':
    case 'mcp.call.skipped': {
      const label = `${textOf(data, 'server')} ${textOf(data, 'tool')}`.slice(0, labelLimit);
      return ended(digest, 'call', label, time, type === 'mcp.call.completed');
    }
    case 'code_agent.step.completed':
      return ended(digest, 'call', 'code', time, textOf(data, 'status') === 'ok');
    case 'response.completed':
    case 'response.failed':
      return {
        ...digest,
        spans: digest.spans.map((known) =>
          known.to === undefined ? { ...known, to: time, status: 'bad' } : known,
        ),
      };
    case 'runner.usage':
      return withUsage(digest, time, data);
    default:
      return digest;
  }
}

function withSpan(
  digest: StoryDigest,
  kind: StorySpan['kind'],
  ordinal: number,
  label: string,
  from: number,
): StoryDigest {
  const added: StorySpan = { kind, ordinal, label, from, status: 'running', count: 1 };
  const spans = [...digest.spans, added];
  return { ...digest, spans: spans.length > mostSpans ? joined(spans) : spans };
}

/** Calls of one tool overlap: the oldest open one ends first, which is right for the picture. */
function ended(
  digest: StoryDigest,
  kind: StorySpan['kind'],
  label: string,
  to: number,
  isOk: boolean,
): StoryDigest {
  const index = digest.spans.findIndex(
    (known) => known.kind === kind && known.to === undefined && known.label === label,
  );
  const known = digest.spans[index];
  if (known === undefined) return digest;
  return { ...digest, spans: digest.spans.with(index, { ...known, to, status: isOk ? 'ok' : 'bad' }) };
}

/** Two ended neighbours of one kind become one bar, from the oldest on. */
function joined(spans: readonly StorySpan[]): StorySpan[] {
  const result: StorySpan[] = [];
  for (const next of spans) {
    const before = result.at(-1);
    // Each bar grows by one neighbour at a time, so that all of them stay about equal.
    const isFit = before?.kind === next.kind && before.count <= next.count;
    if (!isFit || before.to === undefined || next.to === undefined) {
      result.push(next);
      continue;
    }
    result[result.length - 1] = {
      ...before,
      to: Math.max(before.to, next.to),
      status: before.status === 'bad' || next.status === 'bad' ? 'bad' : 'ok',
      label: before.label === next.label ? before.label : 'several',
      count: before.count + next.count,
    };
  }
  // Nothing could be joined: what is oldest is left out.
  return result.length > mostSpans ? result.slice(-mostSpans) : result;
}

function withUsage(digest: StoryDigest, time: number, data: StoryEvent['data']): StoryDigest {
  const before = digest.usage.at(-1) ?? { tokens: 0, cost: 0 };
  const tokens =
    before.tokens + (numberOf(data, 'input_tokens') ?? 0) + (numberOf(data, 'output_tokens') ?? 0);
  const cost = before.cost + (numberOf(data, 'cost_usd') ?? 0);
  const usage = [...digest.usage, { time, tokens, cost }];
  // Every second point goes: they are sums, so the line stays true.
  const thinned = usage.length > mostPoints ? usage.filter((_, index) => index % 2 === 1) : usage;
  return { ...digest, usage: thinned.at(-1)?.time === time ? thinned : [...thinned, { time, tokens, cost }] };
}
