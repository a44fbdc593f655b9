import { byteLength, clipped, cut, pieceBytes, pieces } from '../../base/clip.ts';
import type { BackendFrame } from '../ports/runBackends.ts';
import { PlainText } from '../terminals/plainText.ts';
import { foreignOutcome, foreignResult, hasForeignWords } from './backendResult.ts';
import { foreignReaders, stepOf } from './foreignReaders.ts';
import type { Run } from './run.ts';
import type { RunEvent } from './runEvents.ts';
import { type Data, isRecord, textOf } from './runPayloads.ts';
import { contractEnding, resultFromState } from './runResult.ts';

/** Frames that mean nothing here, or that only the orchestrator that they come from may act on. */
const passedOver: ReadonlySet<string> = new Set([
  'response.created',
  // Follows `response.failed` with the same payload.
  'error',
  'server.keepalive',
  'server.keepalive.stopped',
  // Its terminals, containers and windows are not ours.
  'runner.terminal',
  'runner.shell.marks',
  'runner.conversation',
  'runner.window.bound',
  'runner.backend',
  'runner.backend.notice',
  'code_agent.execution.wanted',
  'runner.container.command.wanted',
  'run.updated',
]);

const printedTypes: ReadonlySet<string> = new Set([
  'runner.step.output',
  'runner.task.output',
  'runner.container.output',
]);

const eventNameLimit = 200;

/**
 * What a foreign server reports of a run, as events of ours. Everything is hostile data: names that we know are taken
 * over where their payload has the shape that we rely on, cut to its bounds; what has not is left out; names that we do
 * not know are kept as they came (`runner.foreign`). It never throws.
 */
export class BackendFrames {
  /** What a step prints may stop in the middle of a control sequence. */
  private readonly printed = new Map<number, PlainText>();

  /** The events that a frame means for the run as it stands before it. */
  eventsOf(run: Run, { event: name, data }: BackendFrame): readonly RunEvent[] {
    const payload = isRecord(data) ? data : {};
    if (passedOver.has(name)) return [];
    if (name === 'response.in_progress') return begun(run);
    if (name === 'response.failed') return failed(run, payload);
    const events = this.told(run, name, payload, data);
    // A server that does not say that the run has begun says so by what the run does.
    return events.length === 0 ? events : [...begun(run), ...events];
  }

  private told(run: Run, name: string, data: Data, raw: unknown): readonly RunEvent[] {
    if (name === 'response') return [{ type: 'response', data: foreignResult(run, data) }];
    if (name === 'response.completed') return completed(run, data);
    if (printedTypes.has(name)) return this.print(run, data);
    if (name === 'runner.foreign') return [foreign(textOf(data, 'event') ?? name, data['data'])];
    const reader = Object.hasOwn(foreignReaders, name) ? foreignReaders[name] : undefined;
    if (reader !== undefined) {
      const read = reader(data, run);
      return read === 'unlike' ? [foreign(name, raw)] : read;
    }
    if (name.endsWith('.delta')) return speech(run, data, name);
    return [foreign(name, raw)];
  }

  /** Only our own servers tell what was printed; without the text there is nothing to show. */
  private print(run: Run, data: Data): readonly RunEvent[] {
    const step = stepOf(run, data);
    let plain = this.printed.get(step);
    if (plain === undefined) this.printed.set(step, (plain = new PlainText()));
    const text = plain.push(new TextEncoder().encode(textOf(data, 'text') ?? ''));
    return spoken(run, step, text, 'runner.step');
  }
}

/** What is said in a step: text of the model itself; of every other voice, thoughts. */
function speech(run: Run, data: Data, name: string): readonly RunEvent[] {
  const text = textOf(data, 'text') ?? '';
  const step = stepOf(run, data);
  if (name === 'worker.generator.output.delta') return spoken(run, step, text, 'worker.generator');
  return pieces(text).map((piece) => ({
    type: 'worker.generator.reasoning.delta',
    data: { source: 'worker.generator', step, text: piece },
  }));
}

function spoken(
  run: Run,
  step: number,
  text: string,
  source: 'worker.generator' | 'runner.step',
): readonly RunEvent[] {
  let to = run.steps[step - 1]?.textBytes ?? 0;
  return pieces(text).map((piece) => {
    to += byteLength(piece);
    return { type: 'worker.generator.output.delta', data: { source, step, text: piece, to } };
  });
}

function begun(run: Run): readonly RunEvent[] {
  if (run.status !== 'queued') return [];
  return [{ type: 'response.in_progress', data: { status: 'running', run_id: run.id } }];
}

function completed(run: Run, data: Data): readonly RunEvent[] {
  const outcome = foreignOutcome(data) ?? run.result?.outcome ?? 'failed';
  return [
    ...(hasForeignWords(data) ? [foreign('response.completed', data)] : []),
    // After a clean exit the contract's source sends none.
    ...(run.result === undefined ? [{ type: 'response', data: resultFromState(run, outcome) } as const] : []),
    { type: 'response.completed', data: contractEnding(outcome) },
  ];
}

/** What was asked to stop and did stop is cancelled, whatever stopped it. */
function failed(run: Run, data: Data): readonly RunEvent[] {
  if (run.isAborting) {
    return [
      { type: 'response', data: resultFromState(run, 'cancelled') },
      { type: 'response.completed', data: contractEnding('cancelled') },
    ];
  }
  const given = textOf(data, 'error') ?? textOf(data, 'detail') ?? '';
  const error = cut(given, pieceBytes).trim() || 'The run backend ended the run without saying why.';
  const reason = textOf(data, 'reason') ?? '';
  const told = { error, reason: /^[a-z_]{1,64}$/.test(reason) ? reason : 'backend_failed' };
  return [
    { type: 'response.failed', data: told },
    { type: 'error', data: told },
  ];
}

function foreign(event: string, data: unknown): RunEvent {
  return { type: 'runner.foreign', data: { event: event.slice(0, eventNameLimit), data: clipped(data) } };
}

/** Frames in which one voice goes on, as one: what comes in bits takes less room in the log. */
export function joinedFrames(frames: readonly BackendFrame[]): readonly BackendFrame[] {
  const joined: BackendFrame[] = [];
  for (const frame of frames) {
    const before = joined.at(-1);
    const text = before === undefined ? undefined : joinedText(before, frame);
    if (before === undefined || text === undefined) joined.push(frame);
    else joined[joined.length - 1] = { ...frame, data: { ...(frame.data as Data), text } };
  }
  return joined;
}

function joinedText(before: BackendFrame, { event, data }: BackendFrame): string | undefined {
  if (before.event !== event || !(event.endsWith('.delta') || printedTypes.has(event))) return undefined;
  if (!isRecord(before.data) || !isRecord(data) || before.data['step'] !== data['step']) return undefined;
  const [first, second] = [textOf(before.data, 'text'), textOf(data, 'text')];
  if (first === undefined || second === undefined) return undefined;
  return first.length + second.length > pieceBytes ? undefined : first + second;
}
