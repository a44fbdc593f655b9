// The product as it is built, and its command line as a person or a script uses it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { hostPaths } from '../../src/processHost/paths.ts';
import { repo } from '../harness/paths.ts';
import { endProcesses, isAlive, processesMarked, waitUntil } from '../harness/processes.ts';

export const node = realpathSync(join(repo, 'node_modules/.bin/node'));

/** In the environment of everything that a fixture starts: how leftovers are found. */
const mark = 'ORCHESTRATOR_TEST_FIXTURE';

/** Builds dist/ of the sources as they are, in a folder of its own below the repository. Takes about 2 s. */
export function buildProduct(): string {
  const cache = join(repo, '.cache');
  mkdirSync(cache, { recursive: true });
  const dist = mkdtempSync(join(cache, 'product-'));
  execFileSync(node, ['esbuild.mjs', '--out', dist, '--allow-missing'], { cwd: repo, stdio: 'pipe' });
  return dist;
}

export interface CliResult {
  /** 128 + n where a signal ended it, as a shell says it. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard input; none when missing. */
  readonly input?: string;
  readonly execPath?: string;
}

/** A state directory and the commands that run on it. */
export class CliFixture implements AsyncDisposable {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'ow-cli-')));
  readonly stateDir: string;
  private readonly cli: string;
  private readonly children = new Set<ChildProcess>();

  constructor(dist: string) {
    this.stateDir = join(this.root, 'state');
    this.cli = join(dist, 'cli.js');
  }

  /** Of the environment of whatever is started for it by others. */
  get mark(): Record<string, string> {
    return { [mark]: this.root };
  }

  /** Starts a command; `--state-dir` is added. */
  start(args: readonly string[], options: CliOptions = {}): RunningCli {
    const [command = '', ...rest] = args;
    const child = spawn(
      options.execPath ?? node,
      [this.cli, command, '--state-dir', this.stateDir, ...rest],
      {
        cwd: options.cwd ?? this.root,
        env: { ...plainEnvironment(), [mark]: this.root, ...options.env },
        stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      },
    );
    this.children.add(child);
    child.on('exit', () => this.children.delete(child));
    child.stdin?.end(options.input);
    return new RunningCli(child);
  }

  /** A core that serves the directory, and answers over gRPC. */
  async serve(): Promise<RunningCli> {
    const serving = this.start(['serve']);
    await serving.shows('gRPC: unix:');
    return serving;
  }

  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return this.start(args, options).result;
  }

  /** The answer of a command with `--json`, which is one line. */
  async json(args: readonly string[]): Promise<Record<string, unknown>> {
    const [command = '', ...rest] = args;
    const { stdout } = await this.run([command, '--json', ...rest]);
    return JSON.parse(stdout.toString()) as Record<string, unknown>;
  }

  hostPid(): number | undefined {
    try {
      const endpoint = JSON.parse(readFileSync(hostPaths(this.stateDir).endpoint, 'utf8')) as { pid: number };
      return isAlive(endpoint.pid) ? endpoint.pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Command lines of what carries this fixture's mark, besides `exceptPids`. */
  leftovers(): string[] {
    return processesMarked(mark, this.root).map(({ pid, command }) => `${pid} ${command}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    const host = this.hostPid();
    if (host !== undefined) await endProcesses([host]);
    await endProcesses(processesMarked(mark, this.root).map(({ pid }) => pid));
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

export class RunningCli {
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
  private readonly out: Buffer[] = [];
  private err = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (data: Buffer) => this.out.push(data));
    child.stderr?.on('data', (data: Buffer) => (this.err += data.toString()));
    this.result = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const number = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal as string] ?? 0;
        resolve({ code: code ?? 128 + number, stdout: this.stdout, stderr: this.err });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get stdout(): Buffer {
    return Buffer.concat(this.out);
  }

  get stderr(): string {
    return this.err;
  }

  /** Waits until its output matches. */
  async shows(text: string | RegExp): Promise<string> {
    return waitUntil(`${String(text)} is shown`, () => {
      const shown = this.stdout.toString();
      return (typeof text === 'string' ? shown.includes(text) : text.test(shown)) ? shown : undefined;
    });
  }
}

/** What a login has, and nothing of whoever runs the tests. */
export function plainEnvironment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: tmpdir(),
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
  };
}

/** The path of a program, if it is installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not here.
    }
  }
  return undefined;
}
