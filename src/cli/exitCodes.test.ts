import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../base/errors.ts';
import type { Run, RunStepState } from '../core/runs/run.ts';
import { exitCodeHelp, exitCodeOfError, exitCodeOfRun } from './exitCodes.ts';

function run(status: Run['status'], failedWith?: number | null, error?: Run['error']) {
  const steps: RunStepState[] = [
    { index: 1, command: 'a', status: 'succeeded', exitCode: 0 },
    ...(failedWith === undefined
      ? []
      : [{ index: 2, command: 'b', status: 'failed', exitCode: failedWith } as const]),
  ];
  return { status, steps, error };
}

describe('exitCodeOfRun', () => {
  it.each([
    ['success', run('succeeded'), 0],
    ['the code of the failed step', run('failed', 3), 3],
    ['a signal', run('failed', 137), 137],
    ['a code above one byte', run('failed', 256), 1],
    ['no code', run('failed', null), 1],
    ['an error of ours', run('failed', 3, { reason: 'process_host_lost', message: '' }), 1],
    ['nothing ran', run('failed'), 1],
    ['cancelled', run('cancelled', 3), 130],
    ['time-out', run('timed_out'), 124],
  ])('%s', (_name, ended, code) => {
    expect(exitCodeOfRun(ended)).toBe(code);
  });
});

describe('exitCodeOfError', () => {
  it.each([
    [new OrchestratorError('INVALID_ARGUMENT', 'task_empty', ''), 2],
    [new OrchestratorError('FAILED_PRECONDITION', 'shell_missing', ''), 2],
    [new OrchestratorError('NOT_FOUND', 'run_not_found', ''), 4],
    [new OrchestratorError('FAILED_PRECONDITION', 'state_in_use', ''), 5],
    [new OrchestratorError('CANCELLED', 'aborted', ''), 130],
    [new Error('anything'), 1],
  ])('%s', (error, code) => {
    expect(exitCodeOfError(error)).toBe(code);
  });
});

describe('exitCodeHelp', () => {
  it('names every code', () => {
    for (const code of [0, 1, 2, 4, 5, 124, 130, 141])
      expect(exitCodeHelp).toMatch(new RegExp(`^  ${code}\\s`, 'm'));
  });
});

describe('docs/cli.md', () => {
  it('has the same codes as --help', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
    const table = docs.slice(docs.indexOf('## Exit codes'));
    const codesOf = (text: string, pattern: RegExp): string[] =>
      [...text.matchAll(pattern)].map(([, code]) => code ?? '');
    expect(codesOf(table, /^\| (\d+) \|/gm)).toEqual(codesOf(exitCodeHelp, /^ {2}(\d+) /gm));
  });
});
