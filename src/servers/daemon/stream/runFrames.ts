import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { RunnerResult } from '../../../core/runs/run.ts';
import { countOf, outcomeOf, textOf } from '../../../core/runs/runPayloads.ts';
import type { StreamFrameBody, ToolCall } from '../../../protocol/daemon/frames.ts';
import { isoDate } from '../words.ts';
import type { PlannedPart } from './plannedParts.ts';
import { type OutputPiece, piecesOf } from './outputText.ts';
import { placeOf, type RunFacts } from './runFold.ts';
import type { Audience } from './subscription.ts';

/** Bytes of the end of the last step's output that stand in a task's result. */
const tailBytes = 16 * 1024;

/** The frames of the seed that an event of a run becomes. `facts`: as of that event. */
export function planRunEvent(event: OrchestratorEvent, facts: RunFacts): PlannedPart[] {
  const { type, data } = event;
  const { id: taskId, sessionId } = facts.run;
  const output: Audience = { kind: 'output', sessionId, taskId };
  const frame = (body: StreamFrameBody): PlannedPart => ({
    kind: 'frame',
    audience: output,
    body: () => body,
  });
  switch (type) {
    case 'response.in_progress':
      return [frame({ type: 'stream_start', sessionId, metadata: { taskId, messageId: taskId } })];
    case 'worker.generator.output.delta':
    case 'worker.generator.reasoning.delta': {
      const step = countOf(data, 'step');
      const kind = type === 'worker.generator.output.delta' ? 'text' : 'thinking';
      const metadata = {
        type: kind,
        index: facts.firstChunk,
        taskId,
        ...(step === undefined ? {} : { step }),
      } as const;
      return [
        frame({ type: 'stream_chunk', data: { sessionId, chunk: textOf(data, 'text') ?? '', metadata } }),
      ];
    }
    case 'mcp.call.started':
      return [
        frame({
          type: 'tool_call_start',
          data: { ...toolCall(event, facts), toolInput: data['arguments'], status: 'started' },
        }),
      ];
    case 'mcp.call.completed':
      return [
        frame({
          type: 'tool_call_result',
          data: { ...toolCall(event, facts), status: 'completed', result: data['response'] },
        }),
      ];
    case 'mcp.call.failed': {
      const error = textOf(data, 'error') ?? 'The tool failed without saying why.';
      return [
        frame({ type: 'tool_call_result', data: { ...toolCall(event, facts), status: 'failed', error } }),
      ];
    }
    case 'response.completed':
    case 'response.failed':
      return endParts(event, facts, output);
    default:
      return outputParts(facts, output);
  }
}

function outputParts({ added, firstChunk, run }: RunFacts, audience: Audience): PlannedPart[] {
  if (added === undefined) return [];
  const { id: taskId, sessionId } = run;
  return piecesOf(added).map((piece, index) => ({
    kind: 'output',
    audience,
    piece,
    chunk: { sessionId, metadata: { type: 'text', index: firstChunk + index, taskId, step: added.step } },
  }));
}

function toolCall({ data, time }: OrchestratorEvent, { run }: RunFacts): Omit<ToolCall, 'status'> {
  return {
    sessionId: run.sessionId,
    taskId: run.id,
    callId: textOf(data, 'call_id') ?? '',
    toolName: textOf(data, 'tool') ?? '',
    timestamp: isoDate(time),
  };
}

const finishReasons = {
  succeeded: 'stop',
  failed: 'error',
  cancelled: 'cancelled',
  timed_out: 'timeout',
} as const;

function endParts(event: OrchestratorEvent, facts: RunFacts, output: Audience): PlannedPart[] {
  const { run, hasBegun } = facts;
  const { id: taskId, sessionId } = run;
  const outcome =
    event.type === 'response.failed' ? 'failed' : (outcomeOf(event.data) ?? outcomeOfRun(facts));
  const parts: PlannedPart[] = [];
  if (hasBegun) {
    const usage = run.usage ?? { inputTokens: 0, outputTokens: 0, costUsd: 0 };
    const metadata = { taskId, messageId: taskId, finishReason: finishReasons[outcome], usage };
    parts.push({
      kind: 'frame',
      audience: output,
      body: () => ({ type: 'stream_end', sessionId, metadata }),
    });
  }
  const result = (text: string): Readonly<Record<string, unknown>> => ({ ...run.result, output: text });
  const error = errorOf(event, outcome, run.result);
  parts.push({
    kind: 'result',
    audience: { kind: 'session', sessionId },
    tail: facts.said === '' ? tailOf(facts) : undefined,
    body: (tail) => {
      const text = facts.said === '' ? tail : facts.said;
      return outcome === 'succeeded'
        ? { type: 'task_completed', sessionId, taskId, result: result(text) }
        : { type: 'task_failed', sessionId, taskId, error, result: result(text) };
    },
  });
  return parts;
}

function outcomeOfRun({ run }: RunFacts): RunnerResult['outcome'] {
  return run.status === 'queued' || run.status === 'running' ? 'failed' : run.status;
}

/** The end of what the last step that printed anything has printed. */
function tailOf({ run }: RunFacts): OutputPiece | undefined {
  const step = run.steps.findLast((candidate) => placeOf(candidate) !== undefined);
  const range = step === undefined ? undefined : placeOf(step);
  if (step === undefined || range === undefined || range.to === range.from) return undefined;
  const { place, to } = range;
  const from = Math.max(range.from, to - tailBytes);
  // Its own beginning: a character that is cut there is left out, not made up.
  return { range: { place, step: step.index, start: from, from, to, isLast: true }, from, to };
}

function errorOf(
  { type, data }: OrchestratorEvent,
  outcome: RunnerResult['outcome'],
  result: RunnerResult | undefined,
): string {
  if (type === 'response.failed') return textOf(data, 'error') ?? 'The task failed without saying why.';
  if (outcome === 'cancelled') return 'The task was cancelled.';
  if (outcome === 'timed_out') return 'The task took longer than it may.';
  const step = result?.steps.at(-1);
  const exitCode = step?.execution_result['exit_code'];
  if (step === undefined || typeof exitCode !== 'number') return 'The task failed.';
  return `Step ${step.step_index} failed with exit code ${exitCode}.`;
}
