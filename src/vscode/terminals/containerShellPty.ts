import { randomUUID } from 'node:crypto';
import type * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Container, isContainerLive } from '../../core/containers/container.ts';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';
import type { EngineExec } from '../../core/ports/containerEngine.ts';
import { ContainerScreen } from './containerScreen.ts';
import { InputQueue } from './outputPump.ts';

export interface ContainerShellPtyOptions {
  readonly containers: LiveContainers;
  readonly logger: Logger;
  readonly reachWindow: () => Promise<void>;
  readonly container: Container;
}

const markName = 'ORCHESTRATOR_SHELL';
/** The container's own bash, or at least its sh. */
const shell = 'if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi';
/** Engines leave a command running whose client has gone: it is found by the variable that it was given. */
const hangUp = `for p in /proc/[0-9]*; do if grep -q "$0" "$p/environ" 2>/dev/null; then kill -HUP "\${p#/proc/}"; fi; done`;
/** What engines answer where the program is not there, or is none. */
const notThere: ReadonlySet<number> = new Set([126, 127]);

/** A shell in a container. It ends with its tab. */
export class ContainerShellPty implements vscode.Pseudoterminal {
  private readonly options: ContainerShellPtyOptions;
  private readonly screen: ContainerScreen;
  private readonly input: InputQueue;
  private readonly decoder = new TextDecoder('utf-8');
  private readonly mark = `${markName}=${randomUUID()}`;
  private readonly started = Promise.withResolvers<EngineExec>();
  private dimensions: vscode.TerminalDimensions | undefined;
  private exec: EngineExec | undefined;
  private hasEnded = false;
  private isBegun = false;
  private hasTyped = false;

  readonly onDidWrite: vscode.Event<string>;
  readonly onDidClose: vscode.Event<void | number>;

  constructor(options: ContainerShellPtyOptions) {
    this.options = options;
    this.screen = new ContainerScreen(options.reachWindow);
    this.onDidWrite = this.screen.onDidWrite;
    this.onDidClose = this.screen.onDidClose;
    this.input = new InputQueue(
      async (text) => (await this.started.promise).write(new TextEncoder().encode(text)),
      (error) => options.logger.debug('input was not taken by a shell in a container', error),
    );
    // Who waits for it hears of the failure, and it may be that nobody does.
    this.started.promise.catch(() => undefined);
  }

  get isClosed(): boolean {
    return this.screen.isClosed;
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    this.dimensions = dimensions;
    // A tab that is not drawn yet has no size, and gets it in a moment.
    if (dimensions !== undefined) this.begin();
  }

  close(): void {
    this.screen.dispose();
    if (this.hasEnded || this.exec === undefined) return;
    this.exec.dispose();
    void this.hangUp();
  }

  handleInput(data: string): void {
    if (this.screen.takeKey(data)) return;
    this.hasTyped = true;
    this.input.push(data);
  }

  setDimensions(dimensions: vscode.TerminalDimensions): void {
    this.dimensions = dimensions;
    this.begin();
    this.exec?.resize(dimensions.columns, dimensions.rows).catch((error: unknown) => {
      this.options.logger.debug('a shell in a container took no size', error);
    });
  }

  private begin(): void {
    if (this.isBegun) return;
    this.isBegun = true;
    this.run().catch((error: unknown) => {
      this.hasEnded = true;
      this.started.reject(error);
      const { message } = OrchestratorError.from(error);
      this.options.logger.warn(`a shell in a container did not start: ${message}`, error);
      this.screen.stayForReading(message);
    });
  }

  private async run(): Promise<void> {
    const { containers, container } = this.options;
    const size = this.dimensions;
    const [name = '', value = ''] = this.mark.split('=');
    const exec = await containers.exec(
      container.id,
      {
        command: ['sh', '-c', shell],
        env: { TERM: 'xterm-256color', COLORTERM: 'truecolor', [name]: value },
        tty: true,
        cols: size?.columns,
        rows: size?.rows,
      },
      {
        onData: (_stream, data) => this.screen.write(this.decoder.decode(data, { stream: true })),
        // The exit code comes after the last output.
        onEnd: () => undefined,
      },
    );
    this.exec = exec;
    this.started.resolve(exec);
    if (this.screen.isClosed) {
      this.close();
      return;
    }
    const now = this.dimensions;
    if (now !== undefined && now !== size) this.setDimensions(now);
    this.tellEnd(await exec.exitCode);
  }

  private tellEnd(exitCode: number | undefined): void {
    this.hasEnded = true;
    const { containers, container } = this.options;
    const found = containers.find(container.id);
    if (found === undefined || !isContainerLive(found)) {
      this.screen.stayForReading(`${container.name} has ended, and this shell with it.`);
    } else if (exitCode === 0) {
      this.screen.end();
    } else if (exitCode !== undefined && notThere.has(exitCode) && !this.hasTyped) {
      this.screen.stayForReading(`No shell was started (exit code ${exitCode}): the image may have no sh.`);
    } else {
      this.screen.stayForReading(
        exitCode === undefined
          ? 'The connection to the shell is lost.'
          : `The shell ended with exit code ${exitCode}.`,
      );
    }
  }

  private async hangUp(): Promise<void> {
    const { containers, container, logger } = this.options;
    try {
      const exec = await containers.exec(
        container.id,
        { command: ['sh', '-c', hangUp, this.mark] },
        { onData: () => undefined, onEnd: () => undefined },
      );
      await exec.exitCode;
    } catch (error) {
      // The container has ended meanwhile, and the shell with it.
      logger.debug('a shell in a container was not hung up', error);
    }
  }
}
