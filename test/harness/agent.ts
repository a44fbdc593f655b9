// An agent in the editor under test: a second extension, driven from the test through a socket.
import { copyFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createVSIX } from '@vscode/vsce';
import { build } from 'esbuild';
import type { TerminalApi } from '../../src/vscode/api.ts';
import { waitUntil } from './processes.ts';

/** How late the extension host's event loop was, in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

/** What the extension does itself (agentExtension/extension.ts), besides what the workbench exports. */
interface OwnMethods {
  startLoopDelay(): Promise<void>;
  stopLoopDelay(): Promise<LoopDelay>;
  /** Names of the terminals that this window shows. */
  openTabs(): Promise<string[]>;
  executeCommand(command: string, ...args: unknown[]): Promise<unknown>;
}

type Methods = OwnMethods & TerminalApi;

/** One line to the extension. */
export interface AgentRequest {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly reason?: string };
}

const socketVariable = 'ORCHESTRATION_WORKBENCH_TEST_AGENT';

export class Agent implements Disposable {
  readonly #path: string;
  #socket: Socket | undefined;
  #lastId = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();

  /** @param folder short, because it holds a socket */
  constructor(folder: string) {
    this.#path = join(folder, 'agent.sock');
  }

  /** For the editor's environment. */
  get environment(): Record<string, string> {
    return { [socketVariable]: this.#path };
  }

  /** Packages the extension into `folder`. */
  static async packed(folder: string): Promise<string> {
    const source = join(import.meta.dirname, 'agentExtension');
    const cwd = join(folder, 'agent');
    const file = join(folder, 'agent.vsix');
    await build({
      entryPoints: [join(source, 'extension.ts')],
      outfile: join(cwd, 'extension.js'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['vscode'],
      logLevel: 'warning',
    });
    await copyFile(join(source, 'package.json'), join(cwd, 'package.json'));
    await createVSIX({
      cwd,
      packagePath: file,
      dependencies: false,
      allowMissingRepository: true,
      skipLicense: true,
    });
    return file;
  }

  /** Calls a method in the extension host; what it throws is thrown here. Waits for a window that is starting. */
  async call<K extends keyof Methods>(
    method: K,
    ...args: Parameters<Methods[K]>
  ): Promise<Awaited<ReturnType<Methods[K]>>> {
    this.#socket ??= await waitUntil('the agent is there', () => this.#connect(), { limitMs: 60_000 });
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const request: AgentRequest = { id, method, args };
    this.#socket.write(`${JSON.stringify(request)}\n`);
    return (await answer.promise) as Awaited<ReturnType<Methods[K]>>;
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
  }

  async #connect(): Promise<Socket | undefined> {
    const socket = connect(this.#path);
    const isConnected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!isConnected) return undefined;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = undefined;
      for (const answer of this.#waiting.values()) answer.reject(new Error('The extension host is gone.'));
      this.#waiting.clear();
    });
    createInterface({ input: socket }).on('line', (line) => {
      this.#settle(JSON.parse(line) as Answer);
    });
    return socket;
  }

  #settle({ id, result, error }: Answer): void {
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(Object.assign(new Error(error.message), { reason: error.reason }));
  }
}
