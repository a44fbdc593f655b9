import type { Disposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { CoreEndpoints } from '../../processHost/coreHolder.ts';
import type { DaemonSettings, OpenDaemonOptions, RunningDaemon } from './runningDaemon.ts';

export type DaemonState =
  | { readonly word: 'stopped'; readonly error?: OrchestratorError }
  | { readonly word: 'starting' }
  | { readonly word: 'running'; readonly daemon: RunningDaemon }
  | { readonly word: 'stopping' };

/** The core that is served, for as long as this window has it. */
export interface ServedCore {
  readonly orchestrator: Orchestrator;
  readonly stateDir: string;
  readonly version: string;
  /** Tells other programs where the door is. */
  readonly announce: (endpoints: CoreEndpoints) => void;
}

export interface DaemonControlOptions {
  readonly open: (options: OpenDaemonOptions) => Promise<RunningDaemon>;
  /** As they are now; read at each start. */
  readonly settings: () => DaemonSettings;
  /** Whether it starts with the core. */
  readonly startsWithCore: () => boolean;
  readonly logger: Logger;
}

/** Starts and stops the daemon of this window. It runs only while the window's core does. */
export class DaemonControl implements Disposable {
  private readonly options: DaemonControlOptions;
  private readonly changed = new Emitter<DaemonState>();
  private _state: DaemonState = { word: 'stopped' };
  private core: ServedCore | undefined;
  /** What is being done; the next thing waits for it. */
  private work: Promise<unknown> = Promise.resolve();

  readonly onDidChangeState = this.changed.event;

  constructor(options: DaemonControlOptions) {
    this.options = options;
  }

  get state(): DaemonState {
    return this._state;
  }

  /** The core is ready; `close` before it ends. */
  attach(core: ServedCore): { close(): Promise<void> } {
    this.core = core;
    if (this.options.startsWithCore()) {
      // The state tells what went wrong, and the log.
      this.start().catch((error: unknown) => this.options.logger.warn('The daemon did not start', error));
    }
    return {
      close: async () => {
        if (this.core === core) this.core = undefined;
        await this.stop();
      },
    };
  }

  /** Opens the door of the core that is attached. Errors: `closed` without one; those of opening it. */
  start(): Promise<RunningDaemon> {
    return this.afterwards(async () => {
      const { core, options } = this;
      if (this._state.word === 'running') return this._state.daemon;
      if (core === undefined) {
        throw new OrchestratorError('UNAVAILABLE', 'closed', 'Nothing is served in this window now.');
      }
      this.setState({ word: 'starting' });
      try {
        const daemon = await options.open({ ...core, ...options.settings(), logger: options.logger });
        const taken = daemon.isWantedPort ? '' : ', since another program has the port that was wanted';
        options.logger.info(
          `The daemon answers at ${daemon.url}${taken}; its token is in ${daemon.tokenPath}`,
        );
        this.announce(core, daemon.url);
        this.setState({ word: 'running', daemon });
        return daemon;
      } catch (error) {
        const known = OrchestratorError.from(error);
        this.setState({ word: 'stopped', error: known });
        throw known;
      }
    });
  }

  /** Resolves when nothing listens any more. Sessions go on. */
  stop(): Promise<void> {
    return this.afterwards(async () => {
      if (this._state.word !== 'running') return;
      const { daemon } = this._state;
      this.setState({ word: 'stopping' });
      try {
        if (this.core !== undefined) this.announce(this.core, undefined);
        await daemon.stop();
        this.options.logger.info('The daemon has stopped');
      } finally {
        this.setState({ word: 'stopped' });
      }
    });
  }

  dispose(): void {
    this.changed.dispose();
  }

  private afterwards<T>(action: () => Promise<T>): Promise<T> {
    const result = this.work.then(action);
    this.work = result.catch(() => undefined);
    return result;
  }

  private announce(core: ServedCore, url: string | undefined): void {
    try {
      core.announce({ http: url === undefined ? undefined : { url } });
    } catch (error) {
      this.options.logger.warn('Other programs are not told where the daemon is', error);
    }
  }

  private setState(state: DaemonState): void {
    this._state = state;
    this.changed.fire(state);
  }
}
