// Running programs with a visible sign of life. Runs under bare Node 20: built-ins only.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from './paths.mjs';

const logs = join(repo, '.cache/logs');

/** What the user should read, without a stack trace. */
export class SetupError extends Error {}

/** @param {string} message */
export const say = (message) => {
  console.log(message);
};

/** @param {number} since milliseconds, as of Date.now() */
export const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/**
 * Ends a child that was started as the leader of its own process group, and all that it started there.
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
export function signalTree(child, signal) {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The group is already gone: that is what was wanted.
  }
}

/**
 * Runs a program to its end with its output in a log file, and tells every ten seconds that it still runs.
 * @param {string} label what it does, for the reader
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, limitMs?: number, log?: string }} [options]
 */
export async function runQuietly(label, command, args, options = {}) {
  const started = Date.now();
  mkdirSync(logs, { recursive: true });
  const log = join(logs, `${options.log ?? label.replace(/\W+/g, '-').toLowerCase()}.log`);
  say(`${label} ...`);
  const progress = setInterval(() => {
    say(`  still at it: ${label}, ${seconds(started)}`);
  }, 10_000);
  try {
    await new Promise((resolve, reject) => {
      const file = createWriteStream(log);
      const child = spawn(command, args, {
        cwd: options.cwd ?? repo,
        env: options.env ?? process.env,
        stdio: ['ignore', 'pipe', 'pipe'],
        // npm is a .cmd file on Windows, which only a shell can start.
        shell: process.platform === 'win32' && command === 'npm',
        detached: process.platform !== 'win32',
      });
      child.stdout.pipe(file, { end: false });
      child.stderr.pipe(file, { end: false });
      const limitMs = options.limitMs ?? 900_000;
      const limit = setTimeout(() => {
        signalTree(child, 'SIGKILL');
        reject(new SetupError(`${label} did not end within ${limitMs / 1000} s. Its output: ${log}`));
      }, limitMs);
      child.on('error', (error) => {
        clearTimeout(limit);
        reject(new SetupError(`${label}: cannot start ${command}: ${error.message}`));
      });
      child.on('close', (code, signal) => {
        clearTimeout(limit);
        file.end(() => {
          if (code === 0) {
            resolve(undefined);
            return;
          }
          const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-25).join('\n');
          reject(
            new SetupError(`${label} failed (${signal ?? `exit code ${code}`}). The end of ${log}:\n${tail}`),
          );
        });
      });
    });
  } finally {
    clearInterval(progress);
  }
  say(`  done in ${seconds(started)}`);
}

/**
 * Runs a program in the foreground with our own stdio; signals that we get are passed on to it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>} its exit code; 128 + n when a signal ended it
 */
export function runInForeground(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: repo, stdio: 'inherit', ...options });
    /** @type {NodeJS.Signals[]} */
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const forward = signals.map((signal) => {
      // A terminal sends Ctrl-C to the whole group: the child has it already, we only must not end first.
      const listener = () => {
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
      };
      process.on(signal, listener);
      return () => process.off(signal, listener);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const off of forward) off();
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGKILL' ? 9 : 15));
    });
  });
}

/**
 * The end of a script's main function: a SetupError is told in plain words, anything else with its stack.
 * @param {() => Promise<number>} main
 */
export async function exitWith(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (error instanceof SetupError) console.error(`\n${error.message}`);
    else console.error(error);
    process.exitCode = 1;
  }
}
