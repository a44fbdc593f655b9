// The static checks, for `npm run check` and `npm test`. Run under the product's Node.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { repo } from './paths.mjs';
import { productEnvironment, productNode } from './setup.mjs';

/** @typedef {{ name: string, args: string[] }} Check */
/** @typedef {{ name: string, ok: boolean, output: string, ms: number }} CheckResult */

const bin = (/** @type {string} */ path) => join(repo, 'node_modules', path);

export const format = { name: 'format', args: [bin('@biomejs/biome/bin/biome'), 'format', '.'] };
export const lint = {
  name: 'lint',
  args: [
    bin('eslint/bin/eslint.js'),
    ...['--cache', '--cache-location', '.cache/eslint/', '--cache-strategy', 'content'],
    ...['--max-warnings', '0', '.'],
  ],
};
export const types = { name: 'types', args: [bin('typescript/bin/tsc'), '-b'] };
export const manifest = {
  name: 'manifest',
  args: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', 'scripts/generateManifest.mts', '--check'],
};
export const protos = {
  name: 'protos',
  args: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', 'scripts/generateProtos.mts', '--check'],
};
export const cycles = { name: 'cycles', args: ['scripts/checkCycles.mts'] };
export const unit = { name: 'unit', args: [bin('vitest/vitest.mjs'), 'run', '--project', 'unit'] };

/**
 * @param {Check} check
 * @param {number} limitMs
 * @returns {Promise<CheckResult>}
 */
export function runCheck({ name, args }, limitMs = 300_000) {
  const began = Date.now();
  return new Promise((resolve) => {
    const child = spawn(productNode(), args, {
      cwd: repo,
      env: { ...productEnvironment(), FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    /** @type {Buffer[]} */
    const chunks = [];
    child.stdout.on('data', (/** @type {Buffer} */ chunk) => chunks.push(chunk));
    child.stderr.on('data', (/** @type {Buffer} */ chunk) => chunks.push(chunk));
    const finish = (/** @type {boolean} */ ok, /** @type {string} */ more) => {
      resolve({ name, ok, output: Buffer.concat(chunks).toString('utf8') + more, ms: Date.now() - began });
    };
    child.on('error', (error) => {
      finish(false, error.message);
    });
    child.on('close', (code, signal) => {
      finish(code === 0, signal === null ? '' : `ended by ${signal} (limit: ${limitMs / 1000} s)\n`);
    });
  });
}

/**
 * Runs the lanes side by side and each lane's checks one after the other; tells each result as it comes.
 * @param {Check[][]} lanes
 * @returns {Promise<CheckResult[]>}
 */
export async function runLanes(lanes) {
  const results = await Promise.all(
    lanes.map(async (lane) => {
      const done = [];
      for (const check of lane) {
        const result = await runCheck(check);
        console.log(`${result.ok ? 'ok    ' : 'FAILED'} ${result.name} (${(result.ms / 1000).toFixed(1)} s)`);
        if (!result.ok) console.log(result.output.trimEnd());
        done.push(result);
      }
      return done;
    }),
  );
  return results.flat();
}
