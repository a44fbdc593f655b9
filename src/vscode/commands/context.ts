import type { Memento } from 'vscode';
import type { CoreService } from '../core/coreService.ts';
import type { RunBackends } from '../backends/runBackends.ts';
import type { DaemonControl } from '../daemon/daemonControl.ts';
import type { Models } from '../../core/ports/models.ts';
import type { ModelKeys } from '../models/modelKeys.ts';
import type { OutputDocuments } from '../panel/outputDocuments.ts';
import type { TaskManifests } from '../manifests/taskManifests.ts';
import type { RunPanels } from '../panel/runPanels.ts';
import type { Place } from '../place.ts';
import type { ReadyWorkbench } from '../readyWorkbench.ts';
import type { RemotePlaces } from '../remote/remotePlaces.ts';
import type { RecordingLog } from '../ui/recordingLog.ts';
import type { RowNode } from '../views/rowTreeProvider.ts';

/** What commands work with. */
export interface CommandContext {
  readonly core: CoreService;
  readonly log: RecordingLog;
  readonly panels: RunPanels;
  readonly documents: OutputDocuments;
  readonly manifests: TaskManifests;
  readonly remotes: RemotePlaces;
  readonly backends: RunBackends;
  readonly daemon: DaemonControl;
  readonly models: Models;
  readonly modelKeys: ModelKeys;
  /** Of this workspace. */
  readonly memory: Memento;
  readonly extensionId: string;
  readonly version: string;
  readonly home: string;
  /** The core and what hangs on it, started if need be. Fails with the reason why it cannot. */
  ready(): Promise<ReadyWorkbench>;
  /** Where the thing is that a command's arguments name; this window's own orchestrator when they name none. */
  place(args: CommandArguments): Promise<Place>;
  /** Rows that are selected in the tree which has the focus. */
  selection(): readonly RowNode[];
}

/**
 * Arguments as VS Code gives them: nothing (palette), a row and all selected rows (menus), or an id (links, menus of
 * our terminals' tabs, and our own calls).
 */
export type CommandArguments = readonly unknown[];

export type CommandHandler = (context: CommandContext, args: CommandArguments) => Promise<unknown>;
