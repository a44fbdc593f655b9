/**
 * A core in a process of its own, so that who measures shares no thread with it. Arguments: state directory, folder of
 * the bundles, folder of the fake agent, number of tool calls. Runs them in one run, prints what came of it as JSON.
 */
import { delimiter, join } from 'node:path';
import { openSqliteStore } from '../../../src/adapters/sqlite/sqliteStore.ts';
import { createProcessMetrics } from '../../../src/adapters/system/processMetrics.ts';
import { createShellFolder } from '../../../src/adapters/system/shellFolder.ts';
import { createSystemEnvironment } from '../../../src/adapters/system/systemEnvironment.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { systemIds } from '../../../src/base/ids.ts';
import { nullLogger } from '../../../src/base/logger.ts';
import { Orchestrator } from '../../../src/core/orchestrator.ts';
import { createProcessHostClient } from '../../../src/processHost/client.ts';

const [stateDir = '', distDir = '', agentDir = '', calls = ''] = process.argv.slice(2);
const path = `${agentDir}${delimiter}${process.env['PATH'] ?? ''}`;
const processHost = createProcessHostClient({ stateDir, distDir, version: 'bench', logger: nullLogger });
const { store } = openSqliteStore(join(stateDir, 'orchestrator.db'));
const core = new Orchestrator({
  store,
  processHost,
  environment: createSystemEnvironment({ version: 'bench', env: { PATH: path, HOME: stateDir } }),
  processMetrics: createProcessMetrics(),
  shellFiles: createShellFolder(join(stateDir, 'shell files')),
  clock: systemClock,
  ids: systemIds,
  logger: nullLogger,
});
await core.start();
const { id: sessionId } = await core.sessions.create({ type: 'claude-code', cwd: stateDir });
const startMs = performance.now();
const run = await core.runs.start({ task: `calls ${calls}`, sessionId });
const ended = await core.runs.waitForEnd(run.id);
const seconds = (performance.now() - startMs) / 1_000;

let events = 0;
let cursor = 0;
let wrong = 0;
const expected = { started: 0, completed: 0 };
for (;;) {
  const page = core.events.read({ after: cursor, limit: 500, runId: run.id });
  const last = page.at(-1);
  if (last === undefined) break;
  cursor = last.sequence;
  events += page.length;
  for (const { type, data } of page) {
    const kind =
      type === 'mcp.call.started' ? 'started' : type === 'mcp.call.completed' ? 'completed' : undefined;
    if (kind !== undefined && data['call_id'] !== `call-${expected[kind]++}`) wrong += 1;
  }
}
const missing = 2 * Number(calls) - expected.started - expected.completed;
process.stdout.write(
  `${JSON.stringify({ status: ended.status, error: ended.error, events, seconds, wrong, missing })}\n`,
);
await core.close();
store.dispose();
processHost.dispose();
