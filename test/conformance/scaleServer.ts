/**
 * The server of the scale test, in a process of its own so that its memory can be told: scaleServer.ts SOCKET AGENTS.
 * Says `ready`. For a line of JSON on its input it gives the agents as many tasks as there are sessions, each of which
 * puts out so many pieces, and then says `done`; for an empty line it says `bytes N`, those in use (needs --expose-gc).
 */
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ServedCore } from '../harness/servedCore.ts';

interface Work {
  readonly sessionIds: readonly string[];
  readonly pieces: number;
}

const [agentCount = 1] = process.argv.slice(2).map(Number);
const served = await new ServedCore({ limits: { maxSessions: 1_000 } }).start();
const { core } = served;
/** Ids of the tasks that the agents have and have not done, and how much is to come of each. */
const given: { readonly taskId: string; left: number }[] = [];
let pieces = 0;

for (let number = 0; number < agentCount; number += 1) {
  const { id } = core.agents.register({ name: `worker ${number}`, capabilities: { tasks: ['custom'] } });
  core.agents.connect(id, {
    deliverTask: ({ id: taskId }) => void given.push({ taskId, left: pieces }),
    cancelTask: () => undefined,
    deliverMessage: () => undefined,
  });
}

/** Without what the runtime has only not collected yet. */
async function bytesInUse(): Promise<number> {
  // What a first collection frees frees more: streams of connections that are let go of in turn.
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

console.log(`ready ${served.socketPath}`);
for await (const line of createInterface(process.stdin)) {
  if (line === '') {
    console.log(`bytes ${await bytesInUse()}`);
    continue;
  }
  const request = JSON.parse(line) as Work;
  ({ pieces } = request);
  for (const sessionId of request.sessionIds) {
    core.tasks.create({
      sessionId,
      target: { capability: 'custom' },
      type: 'custom',
      config: { command: 'x' },
    });
  }
  // One piece a turn, as it would come over a stream: other calls are served between.
  while (core.tasks.active().length > 0) {
    const task = given.shift();
    if (task !== undefined) {
      const reporter = core.tasks.reporter(task.taskId);
      reporter.output('stdout', new TextEncoder().encode(`${task.left} ${'x'.repeat(80)}\n`));
      task.left -= 1;
      if (task.left > 0) given.push(task);
      else reporter.complete();
    }
    await nextTurn();
  }
  console.log('done');
}
await served[Symbol.asyncDispose]();
