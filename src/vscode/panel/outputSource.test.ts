import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { readOutput } from './outputSource.ts';

let harness: CoreHarness;
let core: Orchestrator;
let taskId: string;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start({ limits: { taskOutputBytes: 8 } });
  core.agents.register({ name: 'worker' });
  const { id: sessionId } = await core.sessions.create({});
  taskId = core.tasks.create({ sessionId, target: { agentName: 'worker' }, config: { command: 'x' } }).id;
  await Promise.resolve();
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

it('reads of the output of a task what is asked for, and tells what was dropped', async () => {
  const reporter = core.tasks.reporter(taskId);
  reporter.output('stdout', Buffer.from('01234'));
  reporter.output('stderr', Buffer.from('567'));
  const read = async (from: number, to: number) => {
    const piece = await readOutput(core, { taskId, from: 0, to: 99 }, from, to);
    return [piece.from, Buffer.from(piece.data).toString()];
  };
  expect(await read(0, 8)).toEqual([0, '01234567']);
  expect(await read(2, 6)).toEqual([2, '2345']);
  expect(await read(8, 20)).toEqual([8, '']);
  reporter.output('stdout', Buffer.from('89abcdef'));
  expect(await read(0, 99)).toEqual([8, '89abcdef']);
  expect(await read(0, 4)).toEqual([8, '']);
});
