import { invalidRequest } from '../../../core/text.ts';
import { Bell } from '../../../base/bell.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { EventGap } from '../../../core/events/eventHub.ts';
import type { EventSelector } from '../../../core/events/eventSelector.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { MessageType } from '../../../protocol/rpc.ts';
import { type EncodedMessages, encodeMessage, joinMessages } from '../encodedMessages.ts';
import type { CallContext } from '../rpcHandlers.ts';

/** With this metadata a subscription begins after that sequence, 0 for everything that the log holds. */
const afterKey = 'orchestrator-after-sequence';
/** In front of the first event: the sequence after which the subscription begins. */
const startKey = 'orchestrator-sequence';
/** With the status of one that was too slow: after which sequence to resume. */
const resumeKey = 'orchestrator-resume-after';
/** What one subscriber leaves unread of it is mostly what others have too: the events are encoded once for all. */
const mostWaitingBytes = 256 * 1024;

/** Encodes an event when the first subscriber gets it, and keeps that for as long as the event itself is kept. */
export function eventEncoder<O>(
  type: MessageType<O>,
  toMessage: (event: OrchestratorEvent) => O,
): (event: OrchestratorEvent) => EncodedMessages<O> {
  const encoded = new WeakMap<OrchestratorEvent, EncodedMessages<O>>();
  return (event) => {
    let message = encoded.get(event);
    if (message === undefined) {
      message = encodeMessage(type, toMessage(event));
      encoded.set(event, message);
    }
    return message;
  };
}

/**
 * Events as they come, or from a sequence on; those that `encode` makes nothing of are left out. A client that reads
 * slowly gets them from the store; one that leaves 10,000 unread is told its gap by the status (`events_missed`) and
 * where to resume. Ends when the core closes.
 */
export async function* streamEvents<O>(
  { events, subscriptions }: Orchestrator,
  selector: EventSelector,
  encode: (event: OrchestratorEvent) => EncodedMessages<O> | undefined,
  call: CallContext,
): AsyncGenerator<EncodedMessages<O>, void, undefined> {
  const { signal } = call;
  const after = requestedStart(call) ?? events.lastSequence;
  let parts: EncodedMessages<O>[] = [];
  let bytes = 0;
  let end: EventGap | 'closed' | undefined;
  const bell = new Bell();
  const ring = (): void => bell.ring();
  const subscription = subscriptions.subscribe(
    { after, selector },
    {
      deliver: (delivered) => {
        for (const event of delivered) {
          const message = encode(event);
          if (message === undefined) continue;
          parts.push(message);
          bytes += message.frames.length;
        }
        if (bytes > 0) ring();
        return bytes < mostWaitingBytes;
      },
      onGap: (gap) => {
        end = gap;
        ring();
      },
      onClose: () => {
        end = 'closed';
        ring();
      },
    },
  );
  call.responseMetadata.set(startKey, String(after));
  signal.addEventListener('abort', ring);
  try {
    while (!signal.aborted) {
      if (parts.length > 0) {
        const ready = joinMessages(parts);
        parts = [];
        bytes = 0;
        subscription.resume();
        yield ready;
      } else if (end === 'closed') {
        return;
      } else if (end !== undefined) {
        call.trailers.set(resumeKey, String(end.firstMissed - 1));
        throw missedError(end);
      } else {
        await bell.heard();
      }
    }
  } finally {
    signal.removeEventListener('abort', ring);
    subscription.dispose();
  }
}

function requestedStart({ metadata }: CallContext): number | undefined {
  const [value] = metadata.get(afterKey);
  if (value === undefined) return undefined;
  const after = Number(String(value).trim() || 'x');
  if (Number.isSafeInteger(after) && after >= 0) return after;
  throw invalidRequest(`${afterKey} must be a sequence, a whole number from 0, not "${String(value)}"`);
}

function missedError({ firstMissed, missed, lastSequence }: EventGap): OrchestratorError {
  const resumeAfter = firstMissed - 1;
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'events_missed',
    `${missed} events came and you did not read. Subscribe again with the metadata ${afterKey}: ${resumeAfter} to lose none.`,
    { details: { firstMissed, missed, lastSequence, resumeAfter } },
  );
}
