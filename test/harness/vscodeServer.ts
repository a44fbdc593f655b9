// A real VS Code server with folders of its own.
import type { ChildProcess } from 'node:child_process';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerFolders } from '../../scripts/lib/serverProcess.mjs';
import {
  freePort,
  installArguments,
  serverEnvironment,
  serverFolders,
  startServer,
  waitUntilServed,
} from '../../scripts/lib/serverProcess.mjs';
import { productNode } from '../../scripts/lib/setup.mjs';
import { artifact } from './paths.ts';
import type { ProcessInfo } from './processes.ts';
import { allProcesses, descendants, endProcesses, isAlive, processesMarked } from './processes.ts';
import type { TempDir } from './tempDir.ts';
import { tempDir } from './tempDir.ts';

const run = promisify(execFile);
const marker = 'ORCHESTRATION_WORKBENCH_TEST';

export interface VscodeServerOptions {
  /** Names the log among the artifacts. */
  readonly name: string;
  /** Installed before the server starts. */
  readonly vsix?: string;
  /** Workspace trust as a person has it: on. Without it every folder is trusted. */
  readonly workspaceTrust?: boolean;
  /** Needed by the in-host suite only. */
  readonly smokeTestDriver?: boolean;
  /** Settings of the "machine" level; those of the user are the browser's (browser.ts). */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

export class VscodeServer implements AsyncDisposable {
  readonly port: number;
  readonly folders: ServerFolders;
  /** HOME and the XDG folders of this editor and its shells: no start-up file of whoever runs the tests matters. */
  readonly home: string;
  readonly #mark: string;
  readonly #root: TempDir;
  readonly #options: VscodeServerOptions;
  #child: ChildProcess | undefined;

  private constructor(port: number, root: TempDir, options: VscodeServerOptions) {
    this.port = port;
    this.#root = root;
    this.#options = options;
    this.folders = serverFolders(root.path);
    this.home = join(root.path, 'h');
    this.#mark = randomUUID();
  }

  static async start(options: VscodeServerOptions): Promise<VscodeServer> {
    const server = new VscodeServer(await freePort(0), await tempDir('ow'), options);
    try {
      await server.#prepare();
      await server.launch();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('The server does not run.');
    return pid;
  }

  /** The address of the workbench on `folder`; `payload` as in the smoke-test recipe. */
  url(folder: string, payload?: readonly (readonly [string, string])[]): string {
    const query = new URLSearchParams({ folder });
    if (payload !== undefined) query.set('payload', JSON.stringify(payload));
    return `http://127.0.0.1:${this.port}/?${query.toString()}`;
  }

  /** Starts the server again after stop(), on the same port and folders. */
  async launch(): Promise<void> {
    const { name, smokeTestDriver = false, workspaceTrust = false } = this.#options;
    const flags = [
      ...(smokeTestDriver ? ['--enable-smoke-test-driver'] : []),
      ...(workspaceTrust ? [] : ['--disable-workspace-trust']),
    ];
    const env = this.#environment();
    const log = artifact('logs', `${name}-server.log`);
    this.#child = startServer({ port: this.port, folders: this.folders, log, flags, env });
    await waitUntilServed(`http://127.0.0.1:${this.port}/`, this.#child);
  }

  async installVsix(vsix: string): Promise<void> {
    const env = serverEnvironment(this.#environment());
    await run(productNode(), installArguments(this.folders, vsix), { env, timeout: 120_000 });
  }

  /** One per open window, in the order in which they were started. */
  extensionHostPids(): number[] {
    if (this.#child?.pid === undefined) return [];
    return descendants(this.#child.pid)
      .filter(({ command }) => command.includes('--type=extensionHost'))
      .map(({ pid }) => pid)
      .sort((a, b) => a - b);
  }

  /** All that was started from this editor and lives, detached processes too. */
  processes(): ProcessInfo[] {
    const marked = processesMarked(marker, this.#mark);
    const known = new Set(marked.map(({ pid }) => pid));
    // A process host and its workers carry no variable of the editor, but run from its extensions.
    const unmarked = allProcesses().filter(
      ({ pid, command }) => !known.has(pid) && command.includes(`${this.folders.extensions}/`),
    );
    return [...marked, ...unmarked];
  }

  /** Ends the server and its own children; what was detached on purpose lives on until disposal. */
  async stop(): Promise<void> {
    const pid = this.#child?.pid;
    this.#child = undefined;
    if (pid === undefined || !isAlive(pid)) return;
    await endProcesses([pid, ...descendants(pid).map((child) => child.pid)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await endProcesses(this.processes().map(({ pid }) => pid));
    await this.#root[Symbol.asyncDispose]();
  }

  #environment(): Record<string, string> {
    return {
      [marker]: this.#mark,
      HOME: this.home,
      // With a home of its own; what this process itself caches was found by its own HOME before.
      XDG_CACHE_HOME: join(this.home, 'k'),
      XDG_CONFIG_HOME: join(this.home, 'c'),
      XDG_DATA_HOME: join(this.home, 'd'),
      XDG_STATE_HOME: join(this.home, 's'),
      XDG_RUNTIME_DIR: join(this.home, 'r'),
      ...this.#options.env,
    };
  }

  async #prepare(): Promise<void> {
    await mkdir(join(this.home, 'r'), { recursive: true, mode: 0o700 });
    const machine = join(this.folders.userData, 'Machine');
    await mkdir(machine, { recursive: true });
    await mkdir(this.folders.extensions, { recursive: true });
    const settings = JSON.stringify(this.#options.settings ?? {}, null, 2);
    await writeFile(join(machine, 'settings.json'), settings);
    if (this.#options.vsix !== undefined) await this.installVsix(this.#options.vsix);
  }
}
