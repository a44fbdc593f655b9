import type { DaemonViewMessage } from '../../src/protocol/daemonView.ts';
import { hostMessage } from '../../src/protocol/runPanel.ts';
import type { HostMessage, PanelMessage } from '../../src/protocol/runPanel.ts';
import { readSavedState } from './model/savedState.ts';
import type { SavedState } from './model/savedState.ts';

interface VsCodeApi {
  postMessage(message: PanelMessage | DaemonViewMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare global {
  /** Given by VS Code to every webview; may be called once. */
  var acquireVsCodeApi: () => VsCodeApi;
}

/** The line to the extension host. */
export class Host {
  private readonly api: VsCodeApi = acquireVsCodeApi();

  post(message: PanelMessage): void {
    this.api.postMessage(message);
  }

  readState(): SavedState {
    return readSavedState(this.api.getState());
  }

  saveState(state: SavedState): void {
    this.api.setState(state);
  }

  onMessage(listener: (message: HostMessage) => void): void {
    addEventListener('message', (event: MessageEvent<unknown>) => {
      const parsed = hostMessage.safeParse(event.data);
      // A host of another version may know more messages than this panel: what it does not know it leaves.
      if (parsed.success) listener(parsed.data);
    });
  }
}
