// Runs test/host inside the extension host of a real VS Code server. As a program:
//   node test/harness/hostTests.ts [results.json]
import { appendFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { artifact, repo } from './paths.ts';
import { tempDir } from './tempDir.ts';
import { VscodeServer } from './vscodeServer.ts';

export interface HostTestResults {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What test/host/index.ts writes for each test. */
interface Outcome {
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly error?: string;
}

export interface HostTestOptions {
  readonly extension?: string;
  readonly suite?: string;
  readonly limitMs?: number;
}

/** Runs the bundled suite and prints what it prints; the numbers come from the suite's own results file. */
export async function runHostTests({
  extension = repo,
  suite = join(repo, 'dist-test/host/index.js'),
  limitMs = 300_000,
}: HostTestOptions = {}): Promise<HostTestResults> {
  const results = artifact('host-results.json');
  const log = artifact('logs', 'host-console.log');
  await Promise.all([results, log].map((file) => rm(file, { force: true })));
  await using temp = await tempDir('ow-host');
  const folder = join(temp.path, 'workspace');
  await mkdir(folder);
  await using server = await VscodeServer.start({
    name: 'host',
    smokeTestDriver: true,
    env: { ORCHESTRATION_WORKBENCH_HOST_RESULTS: results },
  });
  const remote = (path: string): string => `vscode-remote://127.0.0.1:${server.port}${path}`;
  const url = server.url(folder, [
    ['extensionDevelopmentPath', remote(extension)],
    ['extensionTestsPath', remote(suite)],
    ['enableProposedApi', ''],
  ]);

  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
    // The editor's own console comes this way too, hundreds of lines of it.
    await page.exposeFunction('codeAutomationLog', (type: string, args: unknown[]) => {
      appendFileSync(log, `${type} ${args.map(String).join(' ')}\n`);
    });
    await page.exposeFunction('codeAutomationExit', exit);
    await page.goto(url);
    const { promise: late, resolve: giveUp } = Promise.withResolvers<undefined>();
    const timer = setTimeout(giveUp, limitMs);
    const code = await Promise.race([exited, late]);
    clearTimeout(timer);
    if (code === undefined) {
      await page.screenshot({ path: artifact('screenshots', 'host-timeout.png') });
      throw new Error(`The in-host suite did not end within ${limitMs / 1000} s.`);
    }
    const outcomes = JSON.parse(await readFile(results, 'utf8')) as Outcome[];
    const count = (wanted: Outcome['state']): number =>
      outcomes.filter(({ state }) => state === wanted).length;
    for (const { state, title, error } of outcomes)
      console.log(`${state} ${title}${error ? `\n${error}` : ''}`);
    const failed = count('failed');
    if (code !== 0 && failed === 0) console.log(`The suite ended with code ${code}; see ${log}`);
    // A suite whose tests are all well but that ended badly has failed somewhere outside them.
    return {
      passed: count('passed'),
      failed: code !== 0 ? Math.max(1, failed) : failed,
      skipped: count('skipped'),
    };
  } finally {
    await browser.close();
  }
}

if (import.meta.main) {
  const counted = await runHostTests();
  const [file] = process.argv.slice(2);
  if (file !== undefined) await writeFile(resolve(file), JSON.stringify(counted));
  console.log(`${counted.passed} passed, ${counted.failed} failed`);
  process.exitCode = counted.failed === 0 && counted.passed > 0 ? 0 : 1;
}
