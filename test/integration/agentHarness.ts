// A coding agent that is none: a program named `claude` in a folder of its own, told what to do by its task.
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import { node } from './cliHarness.ts';

export interface FakeAgent extends Disposable {
  /** Where the program is. */
  readonly dir: string;
  /** What a run needs to find it. */
  readonly env: { readonly PATH: string };
  /** How it was started, the oldest first. */
  calls(): readonly AgentCall[];
}

export interface AgentCall {
  readonly args: readonly string[];
  readonly task: string;
  readonly pid: number;
  readonly cwd: string;
  /** Of the task `stubborn`: what it has started. */
  readonly child?: number;
}

export function makeFakeAgent(program = 'claude'): FakeAgent {
  const folder = mkdtempSync(join(tmpdir(), 'ow-agent-'));
  const script = join(folder, 'agent.mjs');
  copyFileSync(join(import.meta.dirname, 'fixtures/fakeAgent.mjs'), script);
  const file = join(folder, program);
  writeFileSync(file, `#!/bin/sh\nexec '${node}' '${script}' "$@"\n`);
  chmodSync(file, 0o755);
  return {
    dir: folder,
    env: { PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` },
    calls() {
      try {
        const lines = readFileSync(join(folder, 'calls.jsonl'), 'utf8').trim().split('\n');
        return lines.map((line) => JSON.parse(line) as AgentCall);
      } catch {
        // It was not started yet.
        return [];
      }
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface CountedCalls {
  readonly events: number;
  /** Events of calls that stand elsewhere than in their order, or twice. */
  readonly wrong: number;
  readonly missing: number;
}

/** Looks through the events of a run in which the fake agent was told `calls N`. */
export function countCalls(
  { events: log }: Pick<Orchestrator, 'events'>,
  runId: string,
  calls: number,
): CountedCalls {
  let [events, wrong, cursor] = [0, 0, 0];
  const next = { 'mcp.call.started': 0, 'mcp.call.completed': 0 };
  for (;;) {
    const page = log.read({ after: cursor, limit: 500, runId });
    const last = page.at(-1);
    if (last === undefined) break;
    cursor = last.sequence;
    events += page.length;
    for (const { type, data } of page) {
      if (type !== 'mcp.call.started' && type !== 'mcp.call.completed') continue;
      if (data['call_id'] === `call-${next[type]}`) next[type] += 1;
      else wrong += 1;
    }
  }
  return { events, wrong, missing: 2 * calls - next['mcp.call.started'] - next['mcp.call.completed'] };
}

/** The core of fixtures/callingCore.ts, in a process of its own. */
export function startCallingCore(...args: readonly string[]): {
  readonly pid: number | undefined;
  readonly lines: readonly string[];
  /** Resolves when it is gone and all that it said is in `lines`. */
  readonly closed: Promise<void>;
  kill(): void;
} {
  const program = join(import.meta.dirname, 'fixtures/callingCore.ts');
  const child = spawn(node, ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    pid: child.pid,
    lines,
    closed: new Promise((resolve) => child.once('close', () => resolve())),
    kill: () => void child.kill('SIGKILL'),
  };
}
