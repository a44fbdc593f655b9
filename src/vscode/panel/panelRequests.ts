import type { Run } from '../../core/runs/run.ts';
import type { RunChoices } from '../../protocol/runOptions.ts';
import type { PanelMessage } from '../../protocol/runPanel.ts';
import type { RunExport } from './runExport.ts';

/** What the panel asks for that is not its own business. */
export interface PanelActions {
  startRun(request: {
    readonly task: string;
    readonly sessionId: string | undefined;
    readonly choices: RunChoices;
  }): Promise<Run>;
  abortRun(runId: string): Promise<void>;
  retryRun(runId: string, fromStep: number | undefined): Promise<Run>;
  openRun(runId: string): void;
  openTerminal(terminalId: string): Promise<void>;
  copyOutput(runId: string, step: number): Promise<void>;
  openOutput(runId: string, step: number): Promise<void>;
  openTaskEntry(runId: string, sequence: number): Promise<void>;
  openFile(runId: string, path: string, line: number | undefined, column: number | undefined): Promise<void>;
  openLink(url: string): Promise<void>;
  openEvent(runId: string, sequence: number): Promise<void>;
  openDiff(runId: string, sequence: number): Promise<void>;
  copyText(text: string): Promise<void>;
  exportRun(runId: string, as: RunExport): Promise<void>;
}

/** The messages that change nothing in the panel itself. */
export type ForeignRequest = Exclude<
  PanelMessage,
  { type: 'ready' | 'run' | 'retry' | 'showStep' | 'showAt' | 'showFrom' | 'connect' }
>;

/** Does what the page asks for, of the run that it shows. Errors: those of the action. */
export async function carryOut(
  actions: PanelActions,
  runId: string | undefined,
  message: ForeignRequest,
): Promise<void> {
  switch (message.type) {
    case 'abort':
      await actions.abortRun(message.runId);
      return;
    case 'openRun':
      actions.openRun(message.runId);
      return;
    case 'openTerminal':
      await actions.openTerminal(message.terminalId);
      return;
    case 'openLink':
      await actions.openLink(message.url);
      return;
    case 'copyText':
      await actions.copyText(message.text);
      return;
    case 'export':
      await actions.exportRun(message.runId, message.as);
      return;
    default:
      if (runId !== undefined) await carryOutOf(actions, runId, message);
  }
}

async function carryOutOf(
  actions: PanelActions,
  runId: string,
  message: Exclude<
    ForeignRequest,
    { type: 'abort' | 'openRun' | 'openTerminal' | 'openLink' | 'copyText' | 'export' }
  >,
): Promise<void> {
  switch (message.type) {
    case 'copyOutput':
      await actions.copyOutput(runId, message.step);
      return;
    case 'openOutput':
      await actions.openOutput(runId, message.step);
      return;
    case 'openTaskEntry':
      await actions.openTaskEntry(runId, message.sequence);
      return;
    case 'openEvent':
      await actions.openEvent(runId, message.sequence);
      return;
    case 'openDiff':
      await actions.openDiff(runId, message.sequence);
      return;
    case 'openFile':
      await actions.openFile(runId, message.path, message.line, message.column);
      return;
  }
}
