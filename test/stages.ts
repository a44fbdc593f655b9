// The stages of `npm test`. Each runs even when an earlier one failed (without a build the rest cannot), each
// has a time limit, and all are counted into the last line: "N passed, N failed[, N skipped]".
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Check } from '../scripts/lib/checks.mjs';
import { cycles, format, lint, manifest, protos, runLanes, types } from '../scripts/lib/checks.mjs';
import { hostTarget } from '../scripts/lib/nativeFiles.mjs';
import { artifacts, repo } from '../scripts/lib/paths.mjs';
import { seconds, signalTree } from '../scripts/lib/run.mjs';
import { endProcesses, processesMarked } from './harness/processes.ts';

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Stage {
  readonly name: string;
  readonly limitMinutes: number;
  readonly run: (limitMs: number) => Promise<Count>;
  /** Nothing after it makes sense when it failed. */
  readonly vital?: boolean;
}

/** The part of vitest's JSON report that is counted. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

const one = (ok: boolean): Count => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });

/** Runs a program under this Node with our own output; resolves with whether it ended well and in time. */
function run(args: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: repo,
      env: { ...process.env, [runMark]: runId, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: process.platform !== 'win32',
    });
    running = child;
    const limit = setTimeout(() => {
      console.error(`Over the limit of ${limitMs / 60_000} minutes: ended.`);
      signalTree(child, 'SIGKILL');
    }, limitMs);
    const finish = (ok: boolean): void => {
      clearTimeout(limit);
      running = undefined;
      resolve(ok);
    };
    child.on('error', (error) => {
      console.error(error.message);
      finish(false);
    });
    child.on('close', (code) => {
      finish(code === 0);
    });
  });
}

let running: ReturnType<typeof spawn> | undefined;

async function checks(...lanes: Check[][]): Promise<Count> {
  const results = await runLanes(lanes);
  const passed = results.filter(({ ok }) => ok).length;
  return { passed, failed: results.length - passed, skipped: 0 };
}

async function vitest(project: string, limitMs: number): Promise<Count> {
  const report = join(artifacts, `vitest-${project}.json`);
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const program = join(repo, 'node_modules/vitest/vitest.mjs');
  const ok = await run([program, 'run', '--project', project, ...reporters], limitMs);
  // Killed by the limit, or died: what it would have found is unknown, so it counts as one failure.
  if (!existsSync(report)) return one(ok);
  const result = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  const failed = result.numFailedTests;
  // A file that cannot be loaded, or an error between tests, fails no test but the run.
  return {
    passed: result.numPassedTests,
    failed: ok ? failed : Math.max(1, failed),
    skipped: result.numPendingTests + result.numTodoTests,
  };
}

async function hostSuite(limitMs: number): Promise<Count> {
  const results = join(artifacts, 'host-counts.json');
  rmSync(results, { force: true });
  if (!(await run(['scripts/buildHostTests.mjs'], 60_000))) return one(false);
  const ok = await run([...process.execArgv, 'test/harness/hostTests.ts', results], limitMs);
  if (!existsSync(results)) return one(false);
  const count = JSON.parse(readFileSync(results, 'utf8')) as Count;
  return ok ? count : { ...count, failed: Math.max(1, count.failed) };
}

/** In the environment of all that the stages start: what carries it and lives on after its stage was left behind. */
const runMark = 'ORCHESTRATION_WORKBENCH_TEST_RUN';
const runId = randomUUID();

/** Ends what a stage left running and says what it was. */
async function endLeftovers(): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const deadline = Date.now() + 3_000;
  // What is just ending is no leak.
  while (processesMarked(runMark, runId).length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const left = processesMarked(runMark, runId);
  for (const { pid, command } of left) console.error(`left running: ${pid} ${command.slice(0, 200)}`);
  await endProcesses(left.map(({ pid }) => pid));
  return left.length;
}

const stages: readonly Stage[] = [
  {
    name: 'static',
    limitMinutes: 5,
    run: () => checks([lint], [format, manifest, protos, cycles, types]),
  },
  { name: 'unit', limitMinutes: 5, run: (limitMs) => vitest('unit', limitMs) },
  {
    name: 'build',
    limitMinutes: 3,
    vital: true,
    run: async (limitMs) => one(await run(['esbuild.mjs', '--production'], limitMs)),
  },
  { name: 'integration', limitMinutes: 15, run: (limitMs) => vitest('integration', limitMs) },
  {
    name: 'package',
    limitMinutes: 5,
    run: async (limitMs) => one(await run(['scripts/package.mjs', '--no-build'], limitMs)),
  },
  { name: 'host', limitMinutes: 8, run: hostSuite },
  { name: 'e2e', limitMinutes: 30, run: (limitMs) => vitest('e2e', limitMs) },
];

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !stages.some((stage) => stage.name === name)) ?? [];
  if (unknown.length > 0) {
    console.error(`No stage ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}.`);
    return 2;
  }
  const began = Date.now();
  mkdirSync(artifacts, { recursive: true });
  const total = { passed: 0, failed: 0, skipped: 0 };
  const summary: string[] = [];
  for (const { name, limitMinutes, run: runStage, vital } of stages) {
    if (only !== undefined && !only.includes(name)) continue;
    const since = Date.now();
    console.log(`\n== ${name} (at most ${limitMinutes} min) ==`);
    const ran = await runStage(limitMinutes * 60_000);
    const leaks = await endLeftovers();
    const count = leaks > 0 ? { ...ran, failed: ran.failed + 1 } : ran;
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
    summary.push(
      `${name.padEnd(12)} ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped, ${seconds(since)}`,
    );
    if (vital === true && count.failed > 0) {
      summary.push(`what follows ${name} was not run`);
      break;
    }
  }
  console.log(`\n== summary (${hostTarget}, Node ${process.version}, ${seconds(began)}) ==`);
  for (const line of summary) console.log(line);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The stage leads a process group of its own: it must not outlive us.
    if (running !== undefined) signalTree(running, 'SIGKILL');
    process.exit(130);
  });
}
process.exitCode = await main();
