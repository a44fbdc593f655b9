import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The oldest Node that the product runs on: 24.18 has libuv 1.52, before which the end of a terminal's output can be
 * lost. This file and main.ts run on older ones too, so that they can say so.
 */
const oldestNode = [24, 18] as const;
/** Set for the second try, so that it is the last one. */
const reexecutedMark = 'ORCHESTRATOR_REEXECUTED';

export function isNodeRecentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/**
 * Makes sure that the rest runs on a Node that can: this one, or the one that is installed with the package, which then
 * runs the same command line in place of this process. Where there is none, says what is needed.
 * @returns the exit code where all was done here, undefined where the caller is to go on.
 */
export async function ensureNode(entry: string): Promise<number | undefined> {
  if (isNodeRecentEnough(process.versions.node)) return undefined;
  const pinned = process.env[reexecutedMark] === undefined ? findPinnedNode(entry) : undefined;
  if (pinned === undefined) {
    process.stderr.write(
      `orchestrator: needs Node.js ${oldestNode.join('.')} or later; this is ${process.versions.node} (${process.execPath}).\n` +
        'Install a newer one, or run it as: /path/to/newer/node ' +
        `${entry} …\n`,
    );
    return 1;
  }
  return runInstead(pinned, entry);
}

/** The Node of the package's own node_modules, beside the entry or above it. */
function findPinnedNode(entry: string): string | undefined {
  const executable = process.platform === 'win32' ? 'node.exe' : 'bin/node';
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  for (let folder = dirname(entry); ; folder = dirname(folder)) {
    for (const name of ['node', `node-${platform}-${process.arch}`]) {
      const candidate = join(folder, 'node_modules', name, executable);
      if (existsSync(candidate)) return candidate;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

function runInstead(node: string, entry: string): Promise<number> {
  const child = spawn(node, [entry, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, [reexecutedMark]: '1' },
  });
  // Ctrl-C of a terminal reaches the child by itself; we only have to stay. Other signals are passed on.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`orchestrator: ${node} could not be started: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      resolve(code ?? (signal === null ? 1 : 128 + signalNumber(signal)));
    });
  });
}

function signalNumber(signal: NodeJS.Signals): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGTERM: 15,
  };
  return numbers[signal] ?? 0;
}
