import type * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Container, isContainerLive } from '../../core/containers/container.ts';
import type { LiveContainers, LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import { describeContainerExit } from '../views/describeContainer.ts';
import { ContainerScreen } from './containerScreen.ts';
import { InputQueue } from './outputPump.ts';

export interface ContainerOutputPtyOptions {
  readonly containers: LiveContainers;
  readonly events: LiveOrchestrator['events'];
  readonly logger: Logger;
  readonly reachWindow: () => Promise<void>;
  readonly scrollback: () => number;
  readonly container: Container;
  /** Whether what is typed goes to its program, as with `docker attach`: for one with a terminal. */
  readonly takesInput: boolean;
}

const interrupt = '\u0003';

/** A container's output, out of our record: its last lines, then what it prints, over every restart of it. */
export class ContainerOutputPty implements vscode.Pseudoterminal {
  private readonly options: ContainerOutputPtyOptions;
  private readonly screen: ContainerScreen;
  private readonly input: InputQueue;
  private readonly stop = new AbortController();
  /** A character may be cut between two pieces of one stream. */
  private readonly decoders = {
    stdout: new TextDecoder('utf-8'),
    stderr: new TextDecoder('utf-8'),
  };
  private cursor: number | undefined;
  /** When the end was that is told already. */
  private toldExitAt: number | undefined;

  readonly onDidWrite: vscode.Event<string>;
  readonly onDidClose: vscode.Event<void | number>;

  constructor(options: ContainerOutputPtyOptions) {
    this.options = options;
    this.screen = new ContainerScreen(options.reachWindow);
    this.onDidWrite = this.screen.onDidWrite;
    this.onDidClose = this.screen.onDidClose;
    const { containers, container, logger } = options;
    this.input = new InputQueue(
      (text) => containers.write(container.id, new TextEncoder().encode(text)),
      // It ends, or is paused: its row says so.
      (error) => logger.debug('input was not taken by a container', error),
    );
  }

  get isClosed(): boolean {
    return this.screen.isClosed;
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    if (dimensions !== undefined) this.setDimensions(dimensions);
    this.follow().catch((error: unknown) => {
      const { message } = OrchestratorError.from(error);
      this.options.logger.warn(`the output of a container could not be shown: ${message}`, error);
      this.screen.stayForReading(message);
    });
  }

  close(): void {
    this.stop.abort();
    this.screen.dispose();
  }

  handleInput(data: string): void {
    if (this.screen.takeKey(data)) return;
    if (this.options.takesInput) this.input.push(data);
    // As it ends `docker logs --follow`.
    else if (data === interrupt) this.screen.end();
  }

  setDimensions({ columns, rows }: vscode.TerminalDimensions): void {
    const { takesInput, containers, container, logger } = this.options;
    if (!takesInput) return;
    containers.resize(container.id, columns, rows).catch((error: unknown) => {
      logger.debug('a container took no size', error);
    });
  }

  private async follow(): Promise<void> {
    const { container, containers, takesInput } = this.options;
    if (takesInput) this.screen.note(`What you type goes to ${container.name}. Closing this tab detaches.`);
    while (!this.isStopped()) {
      await this.followOneLife().catch(unlessRemoved);
      const now = containers.find(container.id);
      if (this.isStopped()) return;
      if (now === undefined) {
        this.screen.stayForReading(`${container.name} was removed.`);
        return;
      }
      if (now.exit !== undefined && !isContainerLive(now)) {
        this.toldExitAt = now.exit.exitedAt;
        const how = describeContainerExit(now.exit);
        const next = now.config.removeOnStop ? '' : ' When it is started again, it goes on here.';
        this.screen.note(`${how}.${next}`);
      }
      await this.nextLife();
    }
  }

  /** Read through a method, because a `close` may come during any await. */
  private isStopped(): boolean {
    return this.stop.signal.aborted;
  }

  /** Up to the container's end: everything that was recorded by then is shown. */
  private async followOneLife(): Promise<void> {
    const { containers, container, scrollback } = this.options;
    const from = this.cursor === undefined ? { lines: scrollback() } : { from: this.cursor };
    const pieces = containers.output.follow(container.id, {
      ...from,
      follows: true,
      signal: this.stop.signal,
    });
    for await (const { stream, offset, data } of pieces) {
      const missed = offset - (this.cursor ?? offset);
      if (missed > 0) this.screen.note(`${missed} bytes of output are no longer kept`);
      this.cursor = offset + data.length;
      await this.screen.write(this.toScreen(this.decoders[stream].decode(data, { stream: true })));
    }
  }

  /** Until it runs again, or has done so meanwhile, or is removed. */
  private async nextLife(): Promise<void> {
    const { events, containers, container } = this.options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      const now = containers.find(container.id);
      const hasLivedAgain = now?.exit !== undefined && now.exit.exitedAt !== this.toldExitAt;
      if (now === undefined || isContainerLive(now) || hasLivedAgain) resolve();
    };
    const subscription = events.onDidAppend(({ type }) => {
      if (type.startsWith('container.')) look();
    });
    const { signal } = this.stop;
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
    look();
    await promise;
    subscription.dispose();
  }

  /** Without a terminal of its own, a program ends its lines with a line feed alone. */
  private toScreen(text: string): string {
    return this.options.container.config.tty ? text : text.replace(/\r?\n/g, '\r\n');
  }
}

/** What is told of a container that was removed comes from the list of those that are there. */
function unlessRemoved(error: unknown): void {
  if (!OrchestratorError.is(error, 'container_not_found')) throw error;
}
