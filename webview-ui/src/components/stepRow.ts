import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import type { StepView } from '../../../src/protocol/runPanel.ts';
import type { StepOutput } from '../model/outputs.ts';
import { firstLineOf } from '../model/format.ts';
import { hasStarted, isFailure, statusWord } from '../model/panelState.ts';
import { durationOf } from './duration.ts';
import { statusIcon } from './statusIcon.ts';

export interface StepRow {
  readonly step: StepView;
  readonly isOpen: boolean;
  /** The one that Tab reaches; arrows move on from it. */
  readonly isCurrent: boolean;
  readonly canRetry: boolean;
  readonly clockOffset: number;
  readonly output: StepOutput | undefined;
}

export interface StepActions {
  toggle(step: number): void;
  copyOutput(step: number): void;
  openOutput(step: number): void;
  openTerminal(terminalId: string): void;
  retryFrom(step: number): void;
}

export function stepRow(row: StepRow, actions: StepActions): TemplateResult {
  const { step, isOpen } = row;
  const canOpen = hasStarted(step);
  const id = `step-${step.index}`;
  const command = firstLineOf(step.command);
  return html`<li class="step status-of-${step.status} ${isOpen ? 'is-open' : ''}" data-step=${step.index}>
    <div class="step-head">
      <button
        type="button"
        class="step-toggle"
        id=${id}
        tabindex=${row.isCurrent ? 0 : -1}
        aria-expanded=${canOpen ? String(isOpen) : nothing}
        aria-controls=${isOpen ? `${id}-output` : nothing}
        aria-disabled=${canOpen ? nothing : 'true'}
        title=${step.command}
        @click=${() => {
          if (canOpen) actions.toggle(step.index);
        }}
      >
        ${statusIcon(step.status)}
        <span class="sr-only">${statusWord(step.status)}, step</span>
        <span class="step-index">${step.index}</span>
        <span class="command" dir="ltr">${isOpen ? step.command.trim() : command}</span>
        <span class="step-facts">
          ${progressText(step)}
          ${durationOf(step.startedAt, step.status === 'running' ? undefined : step.durationMs, row.clockOffset)}
          ${exitText(step)}
        </span>
        <span
          class="codicon codicon-chevron-${isOpen ? 'down' : 'right'} chevron ${canOpen ? '' : 'is-off'}"
          aria-hidden="true"
        ></span>
      </button>
      ${isOpen ? stepActions(row, actions) : nothing}
    </div>
    ${isOpen ? openPart(row, id) : nothing}
  </li>`;
}

/** Only while it runs: of what has ended the outcome counts. */
function progressText({ status, progress }: StepView): TemplateResult | typeof nothing {
  if (status !== 'running' || progress === undefined) return nothing;
  return html`<span class="progress">${Math.round(progress * 100)} %</span>`;
}

function exitText(step: StepView): TemplateResult {
  // Empty, it still keeps the column of times straight.
  if (step.status === 'running' || step.status === 'pending') return html`<span class="exit"></span>`;
  const { exitCode } = step;
  if (step.status === 'succeeded' || step.status === 'failed') {
    if (exitCode === undefined || exitCode === null)
      return html`<span class="exit">${statusWord(step.status)}</span>`;
    return html`<span class="exit ${exitCode === 0 ? '' : 'is-bad'}">exit ${exitCode}</span>`;
  }
  return html`<span class="exit">${statusWord(step.status)}</span>`;
}

/** Part of the head, so that it stays in reach while long output scrolls by. */
function stepActions({ step, canRetry }: StepRow, actions: StepActions): TemplateResult {
  return html`<div class="step-actions" role="group" aria-label="Step ${step.index}">
    ${
      isFailure(step.status) && canRetry
        ? action('debug-restart', 'Retry From Here', () => actions.retryFrom(step.index), 'strong')
        : nothing
    }
    ${action('copy', 'Copy Output', () => actions.copyOutput(step.index))}
    ${
      step.terminalId === undefined
        ? nothing
        : action('terminal', 'Open in Terminal', () => actions.openTerminal(step.terminalId ?? ''))
    }
    ${action('go-to-file', 'Open Output', () => actions.openOutput(step.index))}
  </div>`;
}

function openPart({ step, output }: StepRow, id: string): TemplateResult {
  return html`<div class="step-body" id="${id}-output">
    <ow-output
      .step=${step.index}
      .label=${`Output of step ${step.index}`}
      .output=${output}
      .isRunning=${step.status === 'running'}
    ></ow-output>
  </div>`;
}

function action(icon: string, label: string, run: () => void, kind = ''): TemplateResult {
  return html`<button type="button" class="action ${kind}" title=${label} @click=${run}>
    <span class="codicon codicon-${icon}" aria-hidden="true"></span><span>${label}</span>
  </button>`;
}
