import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { StoryEvent } from '../../protocol/story/story.ts';

/** Of one value of an event, in characters; the whole of it opens as a document. */
const valueLimit = 16_384;
/** Of lists and objects, so deep; what lies deeper is told by its JSON. */
const depthLimit = 6;

/** The events that the story and its digest read; the others of a run only count. */
const told = new Set([
  'runner.step.started',
  'runner.step.agent_response',
  'runner.step.completed',
  'runner.tools.configured',
  'runner.hints.ignored',
  'runner.abort.requested',
  'runner.backend.notice',
  'runner.foreign',
  'runner.usage',
  'worker.step.ready',
  'worker.generator.started',
  'worker.generator.output.delta',
  'worker.generator.reasoning.delta',
  'worker.generator.completed',
  'worker.generator.failed',
  'worker.reflection.completed',
  'mcp.call.started',
  'mcp.call.completed',
  'mcp.call.failed',
  'mcp.call.skipped',
  'code_agent.session.started',
  'code_agent.step.started',
  'code_agent.step.response',
  'code_agent.step.execution',
  'code_agent.step.completed',
  'code_agent.session.completed',
  'response.completed',
  'response.failed',
]);
/** Their texts are short already, and must not be cut: they are what is read. */
const isDelta = /\.delta$/;

/** An event of a run as the panel folds it; undefined where it tells nothing there. `ordinal` from 1. */
export function toStoryEvent(event: OrchestratorEvent, ordinal: number): StoryEvent | undefined {
  const { type, sequence, time, data } = event;
  if (!told.has(type)) return undefined;
  if (isDelta.test(type)) return { ordinal, sequence, time, type, data };
  // By a property: it changes in the functions below.
  const found = { isCut: false };
  const limited = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') {
      if (value.length <= valueLimit) return value;
      found.isCut = true;
      return `${value.slice(0, valueLimit)}\n…`;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (depth === depthLimit) return limited(JSON.stringify(value), depth);
    if (Array.isArray(value)) {
      if (value.length > 1_000) found.isCut = true;
      return value.slice(0, 1_000).map((item) => limited(item, depth + 1));
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, limited(item, depth + 1)]));
  };
  const cut = limited(data, 0) as Record<string, unknown>;
  return { ordinal, sequence, time, type, data: cut, ...(found.isCut ? found : {}) };
}
