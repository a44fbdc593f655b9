import type { Clock } from '../../../base/clock.ts';
import { byteLength } from '../../../base/clip.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import { LinkedAbort } from '../../../base/linkedAbort.ts';
import type {
  AnswerEnd,
  AnswerPart,
  LanguageModel,
  ModelPart,
  ModelPrompt,
  ModelToolCall,
  ModelUsage,
} from '../languageModel.ts';
import { abortable, pause } from './abortable.ts';

/** What is tried once more after the first time, at most. */
const maxRetries = 4;
const firstDelayMs = 500;
const maxDelayMs = 30_000;
/** A provider may ask for hours; nobody would wait for that. */
const maxRetryAfterMs = 60_000;

export interface ModelAnswer {
  readonly content: readonly AnswerPart[];
  /** All text of it. */
  readonly text: string;
  readonly calls: readonly ModelToolCall[];
  readonly end: AnswerEnd;
  readonly usage: ModelUsage | undefined;
  /** About what it weighs. */
  readonly bytes: number;
  /** It was cut by us: its provider did not stop at the limit of its output. */
  readonly isCut: boolean;
  readonly attempts: number;
}

/** Hears of an answer as it comes. */
export interface AnswerListener {
  attempted?(attempt: number): void;
  said?(kind: 'text' | 'reasoning', text: string): void;
  /** The attempt is over without an answer; what was said in it does not count. `bytes`: of what it had said. */
  failed?(attempt: number, failure: OrchestratorError, retryInMs: number | null, bytes: number): void;
  /** Resolves once there is room for more. */
  room?(): Promise<void>;
}

export interface AskOptions {
  readonly model: LanguageModel;
  readonly prompt: ModelPrompt;
  /** An answer is cut there, in bytes. */
  readonly maxBytes: number;
  readonly listener: AnswerListener;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * One whole answer, asked for again where that may help: at most four times, after a pause that grows, or as long as
 * the provider says. Errors: those of the model, `aborted`.
 */
export async function askModel(options: AskOptions): Promise<ModelAnswer> {
  const { listener, clock, random, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    listener.attempted?.(attempt);
    const draft = new Draft();
    try {
      await readAnswer(options, draft);
      return { ...draft.finish(), attempts: attempt };
    } catch (error) {
      const failure = OrchestratorError.from(error);
      const isOver = signal.aborted || attempt > maxRetries || !isPassing(failure);
      const retryInMs = isOver ? null : delayMs(failure, attempt, random());
      if (!signal.aborted) listener.failed?.(attempt, failure, retryInMs, draft.bytes);
      if (retryInMs === null) throw failure;
      await pause(retryInMs, clock, signal);
    }
  }
}

/** Whether to ask again may help. */
export function isPassing({ reason }: OrchestratorError): boolean {
  return reason === 'model_unavailable' || reason === 'model_rate_limited';
}

function delayMs({ details }: OrchestratorError, attempt: number, random: number): number {
  const asked = details?.['retryAfterMs'];
  if (typeof asked === 'number') return Math.min(Math.ceil(asked), maxRetryAfterMs);
  const whole = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
  return Math.round(whole * (0.5 + random / 2));
}

async function readAnswer(options: AskOptions, draft: Draft): Promise<void> {
  const { model, prompt, maxBytes, listener, signal } = options;
  // An end of ours, by the limit, ends the request too.
  const stop = new LinkedAbort(signal);
  const parts = model.answer(prompt, stop.signal)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await abortable(parts.next(), signal);
      if (next.done === true) break;
      const part = next.value;
      if (part.kind === 'text' || part.kind === 'reasoning') listener.said?.(part.kind, part.text);
      draft.add(part);
      if (part.kind === 'end') return;
      if (draft.bytes > maxBytes) {
        draft.cut();
        return;
      }
      await listener.room?.();
    }
  } finally {
    stop.abort();
    stop.dispose();
    // Not waited for: who is stuck would hold us.
    parts.return?.(undefined).catch(() => undefined);
  }
  throw new OrchestratorError('UNAVAILABLE', 'model_unavailable', 'The answer ended without its end.');
}

/** An answer that is being made. */
class Draft {
  bytes = 0;
  private readonly content: AnswerPart[] = [];
  private readonly callIds = new Set<string>();
  private open: { readonly kind: 'text' | 'reasoning'; text: string[] } | undefined;
  private end: AnswerEnd | undefined;
  private usage: ModelUsage | undefined;
  private isCut = false;

  add(part: ModelPart): void {
    this.bytes += bytesOfPart(part);
    switch (part.kind) {
      case 'text':
      case 'reasoning':
        if (this.open?.kind !== part.kind) this.close();
        this.open ??= { kind: part.kind, text: [] };
        this.open.text.push(part.text);
        break;
      case 'reasoning.end':
        if (this.open?.kind === 'text') this.close();
        this.open ??= { kind: 'reasoning', text: [] };
        this.close(part.opaque);
        break;
      case 'call':
        this.close();
        this.content.push({ ...part, id: this.newCallId(part.id) });
        break;
      case 'call.delta':
        break;
      case 'end':
        this.close();
        this.end = part.reason;
        this.usage = part.usage;
        break;
    }
  }

  cut(): void {
    this.close();
    this.isCut = true;
    this.end = 'length';
  }

  /** Error: `model_unavailable` for an answer with nothing in it. */
  finish(): Omit<ModelAnswer, 'attempts'> {
    const { content, usage, bytes, isCut, end = 'stop' } = this;
    const text = content.flatMap((part) => (part.kind === 'text' ? [part.text] : [])).join('');
    const calls = content.filter((part) => part.kind === 'call');
    if (end !== 'refused' && end !== 'length' && calls.length === 0 && text.trim() === '') {
      throw new OrchestratorError(
        'UNAVAILABLE',
        'model_unavailable',
        'The model answered with nothing at all.',
      );
    }
    return { content, text, calls, end, usage, bytes, isCut };
  }

  private close(opaque?: unknown): void {
    const { open } = this;
    this.open = undefined;
    if (open === undefined) return;
    const text = open.text.join('');
    if (open.kind === 'reasoning') this.content.push({ kind: 'reasoning', text, opaque });
    else if (text !== '') this.content.push({ kind: 'text', text });
  }

  /** Some give two calls of an answer the same id, or none: what comes back would belong to nobody. */
  private newCallId(id: string): string {
    const base = id === '' ? 'call' : id;
    let unique = base;
    for (let n = 2; this.callIds.has(unique); n += 1) unique = `${base}-${n}`;
    this.callIds.add(unique);
    return unique;
  }
}

/** Calls are counted by their deltas, where they come in deltas. */
function bytesOfPart(part: ModelPart): number {
  return part.kind === 'text' || part.kind === 'reasoning' || part.kind === 'call.delta'
    ? byteLength(part.text)
    : 0;
}
