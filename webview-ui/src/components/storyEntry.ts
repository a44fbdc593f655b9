import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type {
  CodeEntry,
  ForeignEntry,
  StoryEntry,
  ToolEntry,
  ToolsEntry,
} from '../../../src/protocol/story/story.ts';
import type { RunView } from '../../../src/protocol/runPanel.ts';
import { plural } from '../model/format.ts';
import { diffOf, fileChangeOf, inputSummary, outputSummary } from '../model/toolSummary.ts';
import { visible } from '../model/visible.ts';
import { durationOf } from './duration.ts';
import { isMotionReduced } from './lightElement.ts';
import { summaryEntry } from './storySummary.ts';

/** What entries need to know of the panel. */
export interface EntryContext {
  readonly run: RunView;
  readonly clockOffset: number;
  /** The run goes on, and nobody looks at its past. */
  readonly isLive: boolean;
  /** Of the entry that Tab reaches. */
  readonly currentKey: string | undefined;
  isOpen(entry: StoryEntry): boolean;
  toggle(entry: StoryEntry): void;
  openEvent(sequence: number): void;
  openDiff(sequence: number): void;
  copy(text: string): void;
  connect(provider: string): void;
}

export function storyEntry(entry: StoryEntry, context: EntryContext): TemplateResult {
  switch (entry.kind) {
    case 'step':
      return html`<div class="entry entry-step status-of-${entry.status}">
        ${stateIcon(entry.status)}
        <span class="entry-name">Step ${entry.step}</span>
        <span class="entry-title" dir="auto">${visible(entry.title)}</span>
        <span class="entry-facts">${durationOf(entry.startedAt, tookOf(entry), context.clockOffset)}</span>
      </div>`;
    case 'text':
      return html`<div class="entry entry-text ${entry.state === 'void' ? 'is-void' : ''}">
        ${entry.state === 'void' ? html`<p class="void-note">Discarded: the attempt failed.</p>` : nothing}
        <ow-markdown .text=${entry.text}></ow-markdown>
      </div>`;
    case 'reasoning': {
      const word =
        entry.state === 'open' ? 'Thinking' : entry.state === 'void' ? 'Discarded reasoning' : 'Reasoning';
      const head = html`${icon(entry.state === 'open' ? 'loading' : 'lightbulb')}
        <span class="entry-name">${word}</span>
        <span class="entry-brief" dir="auto">${outputSummary(entry.text)}</span>
        <span class="entry-facts">${durationOf(entry.startedAt, tookOf(entry), context.clockOffset)}</span>`;
      return foldable(
        entry,
        context,
        'reasoning',
        head,
        () => html`<ow-markdown .text=${entry.text}></ow-markdown>`,
      );
    }
    case 'printed':
      return html`<div class="entry entry-printed"><ow-code .text=${entry.text} .language=${''}></ow-code></div>`;
    case 'foreign':
      return foreignEntry(entry, context);
    case 'tool':
      return toolEntry(entry, context);
    case 'code':
      return codeEntry(entry, context);
    case 'tools':
      return toolsEntry(entry, context);
    case 'note':
      return html`<p class="entry entry-note is-${entry.level}">
        ${icon(entry.level === 'info' ? 'info' : entry.level)}<span dir="auto">${visible(entry.text)}</span>
      </p>`;
    case 'summary':
      return summaryEntry(entry, context.run);
  }
}

const tookOf = ({ startedAt, endedAt }: StoryEntry): number | undefined =>
  endedAt === undefined ? undefined : endedAt - startedAt;

function foldable(
  entry: StoryEntry,
  context: EntryContext,
  kind: string,
  head: TemplateResult,
  body: () => TemplateResult,
): TemplateResult {
  const isOpen = context.isOpen(entry);
  return html`<div class="entry entry-fold entry-${kind}">
    <button
      type="button"
      class="entry-toggle"
      data-key=${entry.key}
      tabindex=${entry.key === context.currentKey ? 0 : -1}
      aria-expanded=${String(isOpen)}
      @click=${() => context.toggle(entry)}
    >
      ${head}
      <span class="codicon codicon-chevron-${isOpen ? 'down' : 'right'} chevron" aria-hidden="true"></span>
    </button>
    ${isOpen ? html`<div class="entry-body">${body()}</div>` : nothing}
  </div>`;
}

const toolWords: Readonly<Record<ToolEntry['status'], string>> = {
  running: 'running',
  completed: 'done',
  failed: 'failed',
  skipped: 'not called',
  ended: 'no answer',
};

/** Why a tool was not called, as a sentence for the person. */
const refusals: Readonly<Record<string, string>> = {
  filtered: 'It is not among the tools of this run.',
  tool_filter: 'It is not among the tools of this run.',
  unauthorized: 'Its provider wants to be signed in to.',
  unconfigured: 'Its provider is not set up.',
  unknown_tool: 'There is no tool of this name.',
  unreachable: 'Its provider does not answer.',
};

function toolEntry(entry: ToolEntry, context: EntryContext): TemplateResult {
  const { tool, server, status, input, output, reason = '' } = entry;
  const result = status === 'skipped' ? (refusals[reason] ?? reason) : outputSummary(output);
  const head = html`${stateIcon(status)}
    <span class="entry-name" dir="auto">${visible(tool)}</span>
    <span class="entry-brief"
      ><bdi class="brief-input">${inputSummary(input)}</bdi>${
        result === ''
          ? nothing
          : html`<span class="brief-arrow" aria-hidden="true">→</span><bdi>${result}</bdi>`
      }</span
    >
    <span class="entry-facts">
      <span class="entry-server" title="Provider"><bdi>${visible(server)}</bdi></span>
      ${durationOf(entry.startedAt, tookOf(entry), context.clockOffset)}
      <span class="entry-word">${toolWords[status]}</span>
    </span>`;
  return html`${foldable(entry, context, `tool is-${status}`, head, () => toolBody(entry, context))}
  ${
    status === 'skipped' && reason === 'unauthorized'
      ? html`<p class="entry entry-note is-warning">
          ${icon('key')}<span><bdi>${visible(server)}</bdi> wants to be signed in to.</span>
          <button type="button" class="text-link" @click=${() => context.connect(server)}>Connect</button>
        </p>`
      : nothing
  }`;
}

function toolBody(entry: ToolEntry, context: EntryContext): TemplateResult {
  const { input, output, sequence, outputSequence, isInputCut, isOutputCut } = entry;
  const change = fileChangeOf(input);
  return html`
    ${
      change === undefined
        ? part('Arguments', input, 'json', isInputCut, () => context.openEvent(sequence), context)
        : html`<div class="part">
            <div class="part-head">
              <span class="part-label">Change of <bdi>${visible(change.path)}</bdi></span>
              ${smallAction('diff', 'Open Diff', () => context.openDiff(sequence))}
            </div>
            <ow-code .text=${diffOf(change)} .language=${'diff'}></ow-code>
          </div>`
    }
    ${part('Result', output, '', isOutputCut, () => context.openEvent(outputSequence ?? sequence), context)}
  `;
}

function part(
  label: string,
  text: string,
  language: string,
  isCut: boolean,
  open: () => void,
  context: EntryContext,
): TemplateResult | typeof nothing {
  if (text === '') return nothing;
  return html`<div class="part">
    <div class="part-head">
      <span class="part-label">${label}${isCut ? ', its beginning' : ''}</span>
      ${smallAction('copy', 'Copy', () => context.copy(text))}
      ${smallAction('go-to-file', isCut ? 'Open in Full' : 'Open', open)}
    </div>
    <ow-code .text=${text} .language=${language}></ow-code>
  </div>`;
}

function codeEntry(entry: CodeEntry, context: EntryContext): TemplateResult {
  const { language, code, status, output, error, returnCode, place, thoughts, isCut, sequence } = entry;
  const word =
    status === 'ok' ? 'done' : status === 'error' ? 'failed' : status === 'running' ? 'running' : 'ended';
  const head = html`${stateIcon(status)}
    <span class="entry-name">Code</span>
    <span class="entry-brief"><bdi>${outputSummary(thoughts === '' ? code : thoughts)}</bdi></span>
    <span class="entry-facts">
      <span class="entry-server">${[language, place].filter((text) => text !== '').join(', in a ')}</span>
      ${durationOf(entry.startedAt, tookOf(entry), context.clockOffset)}
      <span class="entry-word">${returnCode === null ? word : `exit ${returnCode}`}</span>
    </span>`;
  const open = (): void => context.openEvent(sequence);
  return foldable(
    entry,
    context,
    `code is-${status}`,
    head,
    () => html`
      ${part('Code', code, language, isCut, open, context)} ${part('Output', output, '', isCut, open, context)}
      ${part('Error', error, '', isCut, open, context)}
    `,
  );
}

/** Shown as it came, so that nothing of a foreign server is lost. */
function foreignEntry(entry: ForeignEntry, context: EntryContext): TemplateResult {
  const { name, payload, isCut, sequence } = entry;
  const head = html`${icon('symbol-event')}
    <span class="entry-name" dir="auto">${visible(name)}</span>
    <span class="entry-brief"><bdi>${inputSummary(payload)}</bdi></span>`;
  return foldable(
    entry,
    context,
    'foreign',
    head,
    () => html`${part('Event', payload, 'json', isCut, () => context.openEvent(sequence), context)}`,
  );
}

function toolsEntry(entry: ToolsEntry, context: EntryContext): TemplateResult {
  const { effective, unavailable, mode } = entry;
  const providers = [...new Set(effective.map(({ provider }) => provider))];
  const head = html`${icon('tools')}
    <span class="entry-name">Tools</span>
    <span class="entry-brief"
      ><bdi>${[...providers.map(visible), plural(effective.length, 'tool')].join(' · ')}</bdi></span
    >
    <span class="entry-facts"><span class="entry-word">${mode === 'custom' ? 'chosen' : 'all'}</span></span>`;
  const missing = unavailable.filter(() => mode === 'custom');
  const signIns = [
    ...new Set(unavailable.filter(({ reason }) => reason === 'unauthorized').map(({ provider }) => provider)),
  ];
  return html`${foldable(
    entry,
    context,
    'tools',
    head,
    () =>
      html`<ul class="tool-names">
        ${effective.map(({ name, provider }) => html`<li><bdi>${visible(name)}</bdi> <span class="entry-server"><bdi>${visible(provider)}</bdi></span></li>`)}
      </ul>`,
  )}
  ${
    missing.length === 0
      ? nothing
      : html`<p class="entry entry-note is-warning">
          ${icon('warning')}<span
            >This run has not all the tools that were asked for. Missing:
            ${missing.map(({ provider, tool, reason }) => `${visible(tool ?? provider)} (${refusals[reason] ?? visible(reason)})`).join(' ')}</span
          >
        </p>`
  }
  ${signIns.map(
    (provider) =>
      html`<p class="entry entry-note">
        ${icon('key')}<span><bdi>${visible(provider)}</bdi> wants to be signed in to.</span>
        <button type="button" class="text-link" @click=${() => context.connect(provider)}>Connect</button>
      </p>`,
  )}`;
}

function smallAction(name: string, label: string, run: () => void): TemplateResult {
  return html`<button type="button" class="action" title=${label} @click=${run}>
    ${icon(name)}<span>${label}</span>
  </button>`;
}

function icon(name: string): TemplateResult {
  const spins = name === 'loading' && !isMotionReduced() ? 'codicon-modifier-spin' : '';
  const shown = name === 'loading' && isMotionReduced() ? 'sync' : name;
  return html`<span class="codicon codicon-${shown} ${spins}" aria-hidden="true"></span>`;
}

const stateIcons: Readonly<Record<string, { readonly name: string; readonly tone: string }>> = {
  running: { name: 'loading', tone: 'running' },
  completed: { name: 'pass', tone: 'succeeded' },
  success: { name: 'pass', tone: 'succeeded' },
  ok: { name: 'pass', tone: 'succeeded' },
  failed: { name: 'error', tone: 'failed' },
  error: { name: 'error', tone: 'failed' },
  skipped: { name: 'circle-slash', tone: 'skipped' },
  ended: { name: 'circle-slash', tone: 'cancelled' },
};

function stateIcon(status: string): TemplateResult {
  const { name, tone } = stateIcons[status] ?? { name: 'circle-outline', tone: 'pending' };
  return html`<span class="status-icon status-${tone}">${icon(name)}</span>`;
}
