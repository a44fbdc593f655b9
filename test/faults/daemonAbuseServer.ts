/** The daemon's WebSockets in a process of their own, so that their memory can be told: daemonAbuseServer.ts. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { nullLogger } from '../../src/base/logger.ts';
import { authenticatorOf, callerOf, serveDoor } from '../harness/socketDoorServer.ts';

/** Those of the product, but for times: so that no kind of abuse takes longer than the suite has. */
const limits = {
  authTimeoutMs: 1_000,
  messageTimeoutMs: 1_000,
  stallTimeoutMs: 1_000,
  pingIntervalMs: 700,
  pongTimeoutMs: 700,
  closeTimeoutMs: 500,
};

let reasons: string[] = [];
const { port } = await serveDoor({
  limits,
  headersTimeoutMs: 1_000,
  authenticator: authenticatorOf({ healthy: callerOf('healthy'), abuser: callerOf('abuser', 'read') }),
  logger: {
    ...nullLogger,
    debug: (message) => {
      // The same a thousand times says no more.
      if (reasons.length < 1_000) reasons.push(message);
    },
  },
});
/** Without what the runtime has only not collected yet. */
async function bytesInUse(): Promise<number> {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

process.on('message', (wanted) => {
  if (wanted === 'bytes') {
    void bytesInUse().then((bytes) => process.send?.(bytes));
    return;
  }
  process.send?.(reasons);
  reasons = [];
});
process.send?.(port);
