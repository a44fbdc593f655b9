import { ensureNode } from './nodeVersion.ts';

/**
 * Entry of dist/cli.js. Nothing but the check of Node's version may be loaded before it has passed: the rest is bundled
 * as lazy modules and needs built-ins that an older Node does not have.
 */
async function main(): Promise<void> {
  const done = await ensureNode(__filename);
  if (done !== undefined) process.exit(done);
  process.once('beforeExit', () => {
    process.stderr.write('orchestrator: ended without an answer; this is a defect. Please report it.\n');
    process.exitCode = 1;
  });
  const { runProgram } = await import('./program.ts');
  const code = await runProgram(process.argv.slice(2));
  // Everything printed has been taken by now. A connection that is still closing is nothing to wait for.
  process.exit(code);
}

void main();
