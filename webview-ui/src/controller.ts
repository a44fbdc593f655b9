import { silentMs } from '../../src/protocol/runPanel.ts';
import type { PanelMessage } from '../../src/protocol/runPanel.ts';
import type { Host } from './host.ts';
import { announcements, initialState, openSteps, reduce } from './model/panelState.ts';
import type { PanelState } from './model/panelState.ts';
import { Outputs } from './model/outputs.ts';
import type { SavedState } from './model/savedState.ts';
import { StoryStore } from './model/storyStore.ts';

/** Output is parsed at most this long in one frame. */
const frameBudgetMs = 4;
/** Typing and scrolling come often; the saved state may lag behind them a little. */
const saveDelayMs = 250;
/** How often it is looked whether the host still speaks, and how often a silent one is called. */
const watchMs = 150;
const callMs = 2_000;

export interface PanelListener {
  /** The state is another one. */
  onState(state: PanelState): void;
  /** Output was parsed; once a frame at most. */
  onOutput(): void;
  /** The story went on, or is another one. */
  onStory(): void;
  onAnnouncement(text: string): void;
  /** The host put a text into the task box. */
  onDraft(text: string): void;
}

/** Holds the panel's state, talks to the host and meters the output. Knows nothing of how it is drawn. */
export class Controller {
  readonly outputs = new Outputs();
  readonly story = new StoryStore();
  state: PanelState = initialState;
  saved: SavedState;
  private readonly host: Host;
  private listener: PanelListener | undefined;
  private shown = new Set<number>();
  private frame: number | undefined;
  private saveTimer: number | undefined;
  private heardAt = 0;
  private calledAt = 0;

  constructor(host: Host) {
    this.host = host;
    this.saved = host.readState();
    this.state = { ...initialState, overrides: new Map(this.saved.overrides) };
  }

  start(listener: PanelListener): void {
    this.listener = listener;
    this.host.onMessage((message) => {
      this.noteSign();
      if (message.type === 'beat') return;
      if (message.type === 'story') {
        this.story.receive(message);
        listener.onStory();
        return;
      }
      if (message.type === 'output') {
        this.outputs.receive(message);
        this.requestFrame();
        return;
      }
      const isSnapshot = message.type === 'snapshot';
      const runId = 'run' in message ? (message.run?.id ?? undefined) : this.state.run?.id;
      if (isSnapshot && this.saved.runId !== runId) this.forget();
      const isOtherRun = runId !== this.state.run?.id;
      const isOtherTime = message.type === 'run' && message.at !== this.state.at;
      if (isSnapshot || isOtherRun || isOtherTime) {
        this.outputs.clear();
        this.shown.clear();
      }
      if (isSnapshot || isOtherRun) {
        this.story.clear();
        listener.onStory();
      }
      this.setState(reduce(this.state, message, Date.now()));
      if (isSnapshot || isOtherRun) this.save({ runId });
      if (isSnapshot && message.draft !== undefined) listener.onDraft(message.draft);
    });
    this.host.post({ type: 'ready' });
    setInterval(() => this.watch(), watchMs);
  }

  private noteSign(): void {
    this.heardAt = performance.now();
    if (this.state.isReady && !this.state.isConnected)
      this.setState({ ...this.state, isConnected: true, connectionMessage: undefined });
  }

  /** A host that has died says nothing any more: that is all there is to see of it. */
  private watch(): void {
    // Of a page that nobody sees the timers are slowed down.
    if (!this.state.isReady || document.hidden) {
      this.heardAt = performance.now();
      return;
    }
    const now = performance.now();
    if (now - this.heardAt < silentMs) return;
    if (this.state.isConnected) {
      const connectionMessage =
        'Disconnected: the core does not answer. What runs goes on, and shows here once it answers again.';
      this.setState({ ...this.state, isConnected: false, connectionMessage });
    }
    if (now - this.calledAt < callMs) return;
    // Whoever takes its place does not know that this page is there.
    this.calledAt = now;
    this.host.post({ type: 'ready' });
  }

  post(message: PanelMessage): void {
    this.host.post(message);
  }

  /** The host's time, whatever this browser's clock says. */
  now(): number {
    return Date.now() + this.state.clockOffset;
  }

  setStepOpen(step: number, isOpen: boolean): void {
    const overrides = new Map(this.state.overrides).set(step, isOpen);
    this.setState({ ...this.state, overrides });
    this.save({ overrides: [...overrides] });
  }

  clearProblem(): void {
    if (this.state.problem !== undefined) this.setState({ ...this.state, problem: undefined });
  }

  save(part: SavedState): void {
    this.saved = { ...this.saved, ...part };
    this.saveTimer ??= setTimeout(() => {
      this.flush();
    }, saveDelayMs);
  }

  /** Writes at once what is to be saved: the page may go any moment. */
  flush(): void {
    clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    this.host.saveState(this.saved);
  }

  /** The saved place belonged to another run. */
  private forget(): void {
    const { draft, sessionId, choices, tools } = this.saved;
    this.saved = {
      ...(choices === undefined ? {} : { choices }),
      ...(tools === undefined ? {} : { tools }),
      ...(draft === undefined ? {} : { draft }),
      ...(sessionId === undefined ? {} : { sessionId }),
    };
    this.state = { ...this.state, overrides: new Map() };
  }

  private setState(next: PanelState): void {
    const before = this.state;
    this.state = next;
    this.tellOpenSteps();
    this.listener?.onState(next);
    const said = announcements(before, next).join(' ');
    if (said !== '') this.listener?.onAnnouncement(said);
  }

  /** The host sends output of open steps only, so it must know which these are. */
  private tellOpenSteps(): void {
    const open = openSteps(this.state);
    for (const step of this.shown) if (!open.has(step)) this.post({ type: 'showStep', step, isOpen: false });
    for (const step of open) if (!this.shown.has(step)) this.post({ type: 'showStep', step, isOpen: true });
    this.shown = open;
  }

  private requestFrame(): void {
    this.frame ??= requestAnimationFrame((startedAt) => {
      this.frame = undefined;
      const end = Math.max(startedAt, performance.now()) + frameBudgetMs;
      this.outputs.drain(() => performance.now() >= end);
      this.listener?.onOutput();
      if (this.outputs.hasPending) this.requestFrame();
    });
  }
}
