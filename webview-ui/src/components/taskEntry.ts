import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { TaskLogEntry } from '../../../src/protocol/runPanel.ts';
import { formatClock, formatExact } from '../model/format.ts';

/** One message of a task: when, how grave, what; and what came with it. */
export function taskEntry(entry: TaskLogEntry, open: (sequence: number) => void): TemplateResult {
  const { kind, time, text, action } = entry;
  const { icon, word, tone } = looks(entry);
  return html`<li class="task-entry is-${tone} kind-${kind}">
    <time class="task-time" title=${formatExact(time)}>${formatClock(time)}</time>
    <span class="task-level"><span class="codicon codicon-${icon}" aria-hidden="true"></span>${word}</span>
    <span class="task-text" dir="auto">${text}</span>
    <span class="task-action" title=${action}>${action}</span>
    ${details(entry, open)}
  </li>`;
}

/** State is a word too, never colour alone. */
function looks({ kind, level }: TaskLogEntry): { icon: string; word: string; tone: string } {
  if (kind === 'result') {
    return level === 'Error'
      ? { icon: 'error', word: 'Result', tone: 'bad' }
      : { icon: 'pass', word: 'Result', tone: 'good' };
  }
  if (level === 'Error') return { icon: 'error', word: 'Error', tone: 'bad' };
  if (level === 'Warn') return { icon: 'warning', word: 'Warn', tone: 'warn' };
  return kind === 'status'
    ? { icon: 'circle-small-filled', word: 'Status', tone: 'plain' }
    : { icon: 'info', word: 'Info', tone: 'plain' };
}

/** Of errors and results they are open: nobody should have to look for them. */
function details(entry: TaskLogEntry, open: (sequence: number) => void): TemplateResult | typeof nothing {
  const { kind, level, details: json, stack, isCut = false, sequence } = entry;
  if (json === undefined && stack === undefined) return nothing;
  const isOpen = kind === 'result' || level === 'Error';
  const title = kind === 'result' ? 'Data' : 'Details';
  return html`<details class="task-details" ?open=${isOpen}>
    <summary>${title}</summary>
    ${json === undefined ? nothing : html`<pre class="task-json" dir="auto">${json}${isCut ? '\n…' : ''}</pre>`}
    ${stack === undefined ? nothing : html`<pre class="task-json is-stack" dir="ltr">${stack}</pre>`}
    <button type="button" class="action" title="Open as a document" @click=${() => open(sequence)}>
      <span class="codicon codicon-go-to-file" aria-hidden="true"></span><span>${kind === 'result' ? 'Open Result' : 'Open Details'}</span>
    </button>
  </details>`;
}
