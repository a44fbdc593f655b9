// Entry of the in-host suite: `run` is called inside the extension host, by the smoke-test driver of the server
// or by @vscode/test-electron on a desktop.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';

interface Outcome {
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly error?: string;
}

/** Runs every bundled test file beside this one; rejects when a test failed. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', timeout: 60_000, reporter: 'spec', color: false });
  for (const name of readdirSync(__dirname)) {
    if (name.endsWith('.test.js')) mocha.addFile(join(__dirname, name));
  }
  const outcomes: Outcome[] = [];
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => {
      resolve();
    });
    const note = (test: Mocha.Test, state: Outcome['state'], error?: Error): void => {
      const title = test.fullTitle();
      outcomes.push({
        title,
        state,
        ...(error === undefined ? {} : { error: error.stack ?? error.message }),
      });
    };
    runner.on('pass', (test) => {
      note(test, 'passed');
    });
    runner.on('fail', (test, error: Error) => {
      note(test, 'failed', error);
    });
    runner.on('pending', (test) => {
      note(test, 'skipped');
    });
  });
  const results = process.env['ORCHESTRATION_WORKBENCH_HOST_RESULTS'];
  if (results !== undefined) writeFileSync(results, JSON.stringify(outcomes));
  const failed = outcomes.filter(({ state }) => state === 'failed').length;
  if (failed > 0) throw new Error(`${failed} in-host tests failed.`);
}
