import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repo } from './paths.ts';
import { generatePython, python } from './pythonPeer.ts';
import { endProcesses, type ProcessInfo, processesMarked, waitUntil } from './processes.ts';

/** Python's code for the protocol of agents, into a folder. */
export function generateStubs(folder: string): void {
  const protos = ['common/v1/common.proto', 'agent/v1/agent.proto', 'orchestrator/v1/orchestrator.proto'];
  generatePython(join(repo, 'proto'), protos, folder);
}

export interface PythonAgentOptions {
  readonly socketPath: string;
  /** Where `generateStubs` has put them. */
  readonly stubs: string;
  readonly name: string;
  readonly capabilities?: readonly string[];
  /** Tasks at a time. */
  readonly room?: number;
  readonly env?: NodeJS.ProcessEnv;
}

interface AgentEvent {
  readonly event: string;
  readonly agent?: string;
  readonly task?: string;
  readonly text?: string;
  readonly code?: number | string;
}

/** In the environment of an agent and of all that it starts: what it leaves behind is found by it. */
const mark = 'ORCHESTRATION_WORKBENCH_TEST_AGENT';

/** test/conformance/workerAgent.py as a process. */
export class PythonAgent implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly events: AgentEvent[] = [];
  private readonly marked: string;
  private errors = '';

  private constructor(child: ChildProcess, marked: string) {
    this.marked = marked;
    this.child = child;
    if (child.stdout === null || child.stderr === null) throw new Error('The agent has no output.');
    createInterface(child.stdout).on('line', (line) => this.events.push(JSON.parse(line) as AgentEvent));
    child.stderr.on('data', (text: Buffer) => (this.errors += text.toString()));
  }

  /** Resolves once it is registered and its stream is bound. */
  static async start(options: PythonAgentOptions): Promise<PythonAgent> {
    const { socketPath, stubs, name, capabilities = [], room = 2, env = process.env } = options;
    const program = join(repo, 'test/conformance/workerAgent.py');
    const flags = capabilities.flatMap((capability) => ['--capability', capability]);
    const marked = randomUUID();
    const child = spawn(
      python,
      [program, socketPath, stubs, name, '--beat', '0.3', '--room', String(room), ...flags],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, [mark]: marked } },
    );
    const agent = new PythonAgent(child, marked);
    await agent.tells('streaming');
    return agent;
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get id(): string {
    return this.events.findLast(({ agent }) => agent !== undefined)?.agent ?? '';
  }

  /** Waits until it has told this at least so often. */
  async tells(event: string, times = 1): Promise<AgentEvent> {
    try {
      const told = await waitUntil(
        `the agent tells "${event}"`,
        () => {
          const told = this.events.filter((each) => each.event === event)[times - 1];
          return told ?? (this.hasEnded ? 'ended' : undefined);
        },
        { limitMs: 20_000, everyMs: 20 },
      );
      if (told === 'ended') throw new Error(`The agent ended before it told "${event}".`);
      return told;
    } catch (error) {
      throw new Error(`It told ${JSON.stringify(this.events)} and ${this.errors}`, { cause: error });
    }
  }

  /** It and all that it has started, also where it has ended. */
  processes(): ProcessInfo[] {
    return processesMarked(mark, this.marked);
  }

  /** Resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    await endProcesses(this.processes().map(({ pid }) => pid));
  }
}
