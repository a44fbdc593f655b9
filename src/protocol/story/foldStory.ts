import { isPlainText, numberOf, recordOf, textOf } from './payload.ts';
import type { Data } from './payload.ts';
import { textEntryLimit } from './story.ts';
import type { CodeEntry, Story, StoryEntry, StoryEvent, TextEntry, ToolEntry } from './story.ts';

/** What the fold works on: only the entries that an event changes are made anew. */
interface Draft {
  readonly entries: StoryEntry[];
  last: number;
  attemptAt: number;
}

type Kind = StoryEntry['kind'];
type Of<K extends Kind> = Extract<StoryEntry, { kind: K }>;

/**
 * The story after more events of the run, in order. Pure: the same events give the same story, in whatever portions
 * they come. Unknown types and payloads that make no sense change nothing, and a story may begin anywhere in its run.
 */
export function foldStory(story: Story, events: readonly StoryEvent[]): Story {
  if (events.length === 0) return story;
  const draft: Draft = { ...story, entries: [...story.entries] };
  for (const event of events) {
    // Told twice after a break, it counts once.
    if (event.ordinal <= draft.last) continue;
    draft.last = event.ordinal;
    apply(draft, event);
  }
  return draft;
}

function apply(draft: Draft, event: StoryEvent): void {
  const { type, data } = event;
  switch (type) {
    case 'runner.step.started':
      endTexts(draft, event, 'done');
      add(draft, event, 'step', { title: '', status: 'running' });
      return;
    case 'worker.step.ready':
      nameStep(draft, event, textOf(data, 'plan'));
      return;
    case 'runner.step.agent_response':
      nameStep(draft, event, textOf(data, 'action'));
      return;
    case 'runner.step.completed':
      endTexts(draft, event, 'done');
      change(draft, event, 'step', isOfStep(event), {
        status: textOf(data, 'status') === 'failed' ? 'failed' : 'success',
        endedAt: event.time,
      });
      return;
    case 'worker.generator.started':
      endTexts(draft, event, 'done');
      draft.attemptAt = event.ordinal;
      return;
    case 'worker.generator.output.delta':
      addText(draft, event, textOf(data, 'source') === 'runner.step' ? 'printed' : 'text');
      return;
    case 'worker.generator.reasoning.delta':
      addText(draft, event, 'reasoning');
      return;
    case 'worker.generator.completed':
      // Of a model that does not stream, this is all there is.
      if (!hasSpoken(draft) && textOf(data, 'text') !== '') addText(draft, event, 'text');
      endTexts(draft, event, 'done');
      draft.attemptAt = 0;
      return;
    case 'worker.generator.failed':
      failAttempt(draft, event);
      return;
    case 'worker.reflection.completed':
      endTexts(draft, event, 'done');
      add(draft, event, 'reasoning', {
        text: [textOf(data, 'thoughts'), textOf(data, 'reflection')]
          .filter((text) => text !== '')
          .join('\n\n'),
        state: 'done',
      });
      return;
    case 'runner.tools.configured':
      add(draft, event, 'tools', {
        mode: textOf(data, 'mode'),
        effective: recordsOf(data, 'effective').map((tool) => ({
          name: textOf(tool, 'name'),
          provider: textOf(tool, 'provider'),
        })),
        unavailable: recordsOf(data, 'unavailable').map((tool) => ({
          provider: textOf(tool, 'provider'),
          tool: isPlainText(tool['tool']) ? tool['tool'] : null,
          reason: textOf(tool, 'reason'),
        })),
      });
      return;
    case 'runner.hints.ignored': {
      const fields = Array.isArray(data['fields']) ? data['fields'].filter(isPlainText) : [];
      const text = `The engine ${textOf(data, 'engine')} does not use ${fields.join(', ')}.`;
      add(draft, event, 'note', { level: 'info', text });
      return;
    }
    case 'runner.abort.requested':
      add(draft, event, 'note', { level: 'info', text: 'An abort was asked for.' });
      return;
    case 'runner.window.bound':
    case 'runner.backend.notice':
      endTexts(draft, event, 'done');
      add(draft, event, 'note', { level: 'info', text: textOf(data, 'message') });
      return;
    case 'runner.foreign':
      endTexts(draft, event, 'done');
      add(draft, event, 'foreign', {
        name: textOf(data, 'event'),
        payload: valueText(data['data']),
        isCut: event.isCut ?? false,
      });
      return;
    case 'mcp.call.started':
    case 'mcp.call.completed':
    case 'mcp.call.failed':
    case 'mcp.call.skipped':
      applyCall(draft, event);
      return;
    case 'code_agent.session.started':
    case 'code_agent.step.started':
    case 'code_agent.step.response':
    case 'code_agent.step.execution':
    case 'code_agent.step.completed':
    case 'code_agent.session.completed':
      applyCode(draft, event);
      return;
    case 'response.completed':
    case 'response.failed':
      end(draft, event);
      return;
    default:
  }
}

function end(draft: Draft, event: StoryEvent): void {
  const { data, type, time } = event;
  endTexts(draft, event, 'done');
  for (const [index, entry] of draft.entries.entries()) {
    const isOpen =
      (entry.kind === 'tool' || entry.kind === 'code' || entry.kind === 'step') && entry.status === 'running';
    if (isOpen) draft.entries[index] = { ...entry, status: 'ended', endedAt: time };
  }
  const isFailure = type === 'response.failed';
  const outcome = textOf(data, 'outcome');
  add(draft, event, 'summary', {
    status: isFailure ? 'failed' : outcome === '' ? textOf(data, 'status') : outcome,
    reason: isFailure ? textOf(data, 'reason') : textOf(data, 'completion_reason'),
    error: textOf(data, 'error'),
  });
}

function nameStep(draft: Draft, event: StoryEvent, title: string): void {
  if (title.trim() !== '') change(draft, event, 'step', isOfStep(event), { title: title.slice(0, 2_000) });
}

// --- Text ---

type TextKind = 'text' | 'reasoning' | 'printed';

function isSpoken(entry: StoryEntry): entry is Of<TextKind> {
  return entry.kind === 'text' || entry.kind === 'reasoning' || entry.kind === 'printed';
}

function addText(draft: Draft, event: StoryEvent, kind: TextKind): void {
  const text = textOf(event.data, 'text');
  if (text === '') return;
  const index = draft.entries.length - 1;
  const known = draft.entries[index];
  const goesOn =
    known?.kind === kind && known.state === 'open' && known.step === stepOf(event) && !isFull(known.text);
  if (goesOn) {
    draft.entries[index] = { ...known, text: known.text + text, last: event.ordinal };
    return;
  }
  endTexts(draft, event, 'done');
  add(draft, event, kind, { text, state: 'open' });
}

/** A paragraph has ended that is no part of a code block, or there is no end of it. */
function isFull(text: string): boolean {
  if (text.length < textEntryLimit) return false;
  if (text.length >= 4 * textEntryLimit) return true;
  return text.endsWith('\n') && (text.match(/^ {0,3}(?:```|~~~)/gm)?.length ?? 0) % 2 === 0;
}

function endTexts(draft: Draft, { time }: StoryEvent, state: TextEntry['state']): void {
  for (let index = draft.entries.length - 1; index >= 0; index -= 1) {
    const entry = draft.entries[index];
    if (entry === undefined || !isSpoken(entry)) return;
    if (entry.state !== 'open') return;
    draft.entries[index] = { ...entry, state, endedAt: time };
  }
}

function hasSpoken({ entries, attemptAt }: Draft): boolean {
  return attemptAt === 0 || entries.some((entry) => entry.kind === 'text' && entry.first > attemptAt);
}

function failAttempt(draft: Draft, event: StoryEvent): void {
  const { data } = event;
  for (const [index, entry] of draft.entries.entries()) {
    const isOfAttempt = draft.attemptAt > 0 && entry.first > draft.attemptAt;
    if (isOfAttempt && (entry.kind === 'text' || entry.kind === 'reasoning'))
      draft.entries[index] = { ...entry, state: 'void', endedAt: event.time };
  }
  draft.attemptAt = 0;
  const retryMs = numberOf(data, 'retry_in_ms');
  const next =
    retryMs === undefined ? '' : `. It is tried again in ${Math.max(0.1, retryMs / 1_000).toFixed(1)} s.`;
  const text = `The model did not answer: ${textOf(data, 'error').trim()}${next}`;
  add(draft, event, 'note', { level: retryMs === undefined ? 'error' : 'warning', text });
}

// --- Tools ---

const callStatus: Readonly<Record<string, ToolEntry['status']>> = {
  'mcp.call.started': 'running',
  'mcp.call.completed': 'completed',
  'mcp.call.failed': 'failed',
  'mcp.call.skipped': 'skipped',
};

function applyCall(draft: Draft, event: StoryEvent): void {
  const { data, sequence, time, isCut = false } = event;
  const callId = textOf(data, 'call_id');
  const status = callStatus[event.type] ?? 'running';
  if (status === 'running') {
    endTexts(draft, event, 'done');
    addCall(draft, event, { callId, status, input: valueText(data['arguments']), isInputCut: isCut });
    return;
  }
  const answer: Partial<ToolEntry> = {
    status,
    output: status === 'failed' ? textOf(data, 'error') : answerText(data['response']),
    isOutputCut: isCut,
    outputSequence: sequence,
    endedAt: time,
    ...(status === 'skipped' ? { reason: textOf(data, 'reason') } : {}),
  };
  const isKnown = change(
    draft,
    event,
    'tool',
    (entry) => entry.callId === callId && entry.status === 'running',
    answer,
  );
  // It was refused before it began, or began before this story does.
  if (!isKnown) {
    endTexts(draft, event, 'done');
    addCall(draft, event, { callId, ...answer });
  }
}

function addCall(draft: Draft, event: StoryEvent, facts: Partial<ToolEntry>): void {
  add(draft, event, 'tool', {
    callId: '',
    server: textOf(event.data, 'server'),
    tool: textOf(event.data, 'tool'),
    status: 'running',
    input: '',
    output: '',
    isInputCut: false,
    isOutputCut: false,
    ...facts,
  });
}

/** Plain JSON as people read it; a text as it is. */
function valueText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return isPlainText(value) ? value : JSON.stringify(value, null, 2);
}

/** Of an answer of MCP its texts; of any other, all. */
function answerText(value: unknown): string {
  const record = recordOf(value);
  const parts = Array.isArray(value) ? value : record?.['content'];
  if (isPlainText(parts)) return parts;
  if (!Array.isArray(parts)) return valueText(value);
  const texts = parts.map((part: unknown) => {
    const text = recordOf(part)?.['text'];
    return isPlainText(text) ? text : valueText(part);
  });
  return texts.join('\n');
}

// --- Code ---

function applyCode(draft: Draft, event: StoryEvent): void {
  const { data, type, time, isCut = false } = event;
  const running = (entry: CodeEntry): boolean => entry.status === 'running';
  switch (type) {
    case 'code_agent.session.started':
      endTexts(draft, event, 'done');
      addCode(draft, event, { place: textOf(data, 'place') });
      return;
    case 'code_agent.step.started':
      if (!draft.entries.some((entry) => entry.kind === 'code' && running(entry) && entry.code === ''))
        addCode(draft, event, {});
      return;
    case 'code_agent.step.response': {
      const facts = { code: textOf(data, 'action'), thoughts: textOf(data, 'thoughts') };
      change(draft, event, 'code', running, facts);
      return;
    }
    case 'code_agent.step.execution': {
      const message = textOf(data, 'message');
      const facts: Partial<CodeEntry> = {
        language: textOf(data, 'code_type'),
        code: textOf(data, 'code'),
        status: textOf(data, 'status') === 'ok' ? 'ok' : 'error',
        output: textOf(data, 'output'),
        error: [textOf(data, 'error'), message].filter((text) => text !== '').join('\n'),
        returnCode: numberOf(data, 'return_code') ?? null,
        endedAt: time,
        isCut,
      };
      if (!change(draft, event, 'code', running, facts)) addCode(draft, event, facts);
      return;
    }
    case 'code_agent.session.completed':
      if (textOf(data, 'completion_reason') === 'BUDGET_EXHAUSTED') {
        const text = `The code tool has used up its ${numberOf(data, 'budget') ?? 0} steps.`;
        add(draft, event, 'note', { level: 'warning', text });
      }
      // A session that ran nothing leaves no card behind.
      for (let index = draft.entries.length - 1; index >= 0; index -= 1) {
        const entry = draft.entries[index];
        if (entry?.kind === 'code' && running(entry)) draft.entries.splice(index, 1);
      }
      return;
    default:
  }
}

function addCode(draft: Draft, event: StoryEvent, facts: Partial<CodeEntry>): void {
  const before = draft.entries.findLast((entry) => entry.kind === 'code');
  add(draft, event, 'code', {
    place: before?.place ?? '',
    language: '',
    code: '',
    thoughts: '',
    status: 'running',
    output: '',
    error: '',
    returnCode: null,
    isCut: false,
    ...facts,
  });
}

// --- Entries ---

type Facts<K extends Kind> = Omit<
  Of<K>,
  'kind' | 'key' | 'first' | 'last' | 'sequence' | 'startedAt' | 'step'
>;

function add<K extends Kind>(draft: Draft, event: StoryEvent, kind: K, facts: Facts<K>): void {
  const { ordinal, sequence, time } = event;
  const base = { key: `${kind}-${ordinal}`, first: ordinal, last: ordinal, sequence, startedAt: time };
  const entry = { ...base, step: stepOf(event), kind, ...facts };
  // The compiler cannot see that the facts are those of the kind: the signature sees to it.
  draft.entries.push(entry as unknown as StoryEntry);
}

/** Changes the newest entry of the kind that is meant. @returns whether there is one. */
function change<K extends Kind>(
  draft: Draft,
  event: StoryEvent,
  kind: K,
  isMeant: (entry: Of<K>) => boolean,
  facts: Partial<Of<K>>,
): boolean {
  const index = draft.entries.findLastIndex((entry) => entry.kind === kind && isMeant(entry as Of<K>));
  const entry = draft.entries[index];
  if (entry === undefined) return false;
  draft.entries[index] = { ...entry, ...facts, last: event.ordinal };
  return true;
}

function isOfStep(event: StoryEvent): (entry: StoryEntry) => boolean {
  const step = stepOf(event);
  return (entry) => entry.step === step;
}

function stepOf({ data }: StoryEvent): number {
  return numberOf(data, 'step') ?? 0;
}

function recordsOf(data: Data, key: string): Data[] {
  const value = data[key];
  if (!Array.isArray(value)) return [];
  return value.map(recordOf).filter((item) => item !== undefined);
}
