import '@vscode-elements/elements/dist/vscode-button/index.js';
import { daemonViewHostMessage } from '../../../src/protocol/daemonView.ts';
import type { DaemonViewMessage } from '../../../src/protocol/daemonView.ts';
import { DaemonElement } from './daemonElement.ts';
import { LoadChartElement } from './loadChart.ts';
import './daemon.css';

customElements.define('ow-load-chart', LoadChartElement);
customElements.define('ow-daemon', DaemonElement);

const host = acquireVsCodeApi();
const post = (message: DaemonViewMessage): void => host.postMessage(message);

const element = new DaemonElement();
element.onAction = (action) => post({ type: 'do', action });
(document.getElementById('root') ?? document.body).append(element);
addEventListener('message', (event: MessageEvent<unknown>) => {
  const parsed = daemonViewHostMessage.safeParse(event.data);
  // A host of another version may know more than this view: what it does not know it leaves.
  if (parsed.success) element.view = parsed.data.view;
});
post({ type: 'ready' });
