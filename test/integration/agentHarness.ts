// A coding agent that is none: a program named `claude` in a folder of its own, told what to do by its task.
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
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
