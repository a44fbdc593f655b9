/** The daemon's WebSockets in a process of their own, so that their memory can be told: daemonAbuseServer.ts. */
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
process.on('message', () => {
  process.send?.(reasons);
  reasons = [];
});
process.send?.(port);
