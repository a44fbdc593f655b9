import type { LiveOrchestrator } from '../core/liveOrchestrator.ts';
import type { Terminal } from '../core/terminals/terminal.ts';
import type { ContainerTerminals } from './terminals/containerTerminals.ts';
import type { TerminalViews } from './terminals/terminalViews.ts';
import type { LiveModel } from './views/liveModel.ts';

/** An orchestrator with what this window shows of it: that of the window, or one that it is connected to. */
export interface Place {
  readonly orchestrator: LiveOrchestrator;
  readonly live: LiveModel;
  readonly terminals: TerminalViews;
  /** Undefined where an orchestrator does not tell of its containers. */
  readonly containerTerminals: ContainerTerminals | undefined;
  /** The settings of this window do not say what runs there. */
  readonly isRemote: boolean;
  /** Programs in front as of now, for a question that depends on them. */
  busyPrograms(terminals: readonly Terminal[]): Promise<string[]>;
}
