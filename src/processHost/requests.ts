import {
  anything,
  integer,
  listOf,
  matching,
  object,
  oneOf,
  recordOf,
  type ShapeOf,
  text,
  truth,
} from './shapes.ts';
import type { HostMethod } from './wire.ts';

/** What may come in at the host's door. Ids become names of folders, so they must be UUIDs before anything else. */
const id = matching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  'must be a lower-case UUID',
);
const size = integer(1, 1_000);
const offset = integer(0);
const name = text({ min: 1 });
const env = recordOf(matching(/^[^=\0]+$/, 'must not be empty, nor contain = or NUL'), text());
const graceMs = integer(0, 600_000);
const data = recordOf(text({ allowsNul: true }), anything);
const type = text({ min: 1, max: 200 });
const stream = integer(0, 0xffff_ffff);
const nothing = object({});
const ceilings = object(
  {},
  {
    memoryBytes: integer(8 * 1024 * 1024),
    cpuPercent: integer(1, 100_000),
    processes: integer(1, 1_000_000),
  },
);

export const shapes = {
  hello: object(
    {
      protocol: integer(0),
      oldestProtocol: integer(0),
      version: text({ max: 100 }),
      token: matching(/^[0-9a-f]{64}$/, 'must be 64 hex characters'),
      role: oneOf('client', 'worker'),
    },
    { workerId: id },
  ),
  spawnTerminal: object(
    { id, file: name, args: listOf(text()), cwd: name, env, cols: size, rows: size },
    { recordLimitBytes: integer(65_536, 1_073_741_824), ceilings },
  ),
  listTerminals: nothing,
  writeTerminal: object(
    { id },
    { text: text({ allowsNul: true }), base64: matching(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64') },
  ),
  resizeTerminal: object({ id, cols: size, rows: size }),
  killTerminal: object({ id }, { graceMs }),
  removeTerminal: object({ id }),
  snapshotTerminal: object({ id }, { scrollback: integer(0, 100_000), cols: size, rows: size }),
  readTerminal: object({ id, from: offset, to: offset }),
  followTerminal: object({
    id,
    stream,
    from: offset,
    windowBytes: integer(1_024, 8_388_608),
    isForeground: truth,
  }),
  startWorker: object({ id, kind: text({ min: 1, max: 100 }), spec: anything, env }),
  listWorkers: nothing,
  followWorker: object({ id, after: offset }),
  ackWorker: object({ id, sequence: offset }),
  commandWorker: object({ id, command: object({ type }, { data }) }),
  killWorker: object({ id }, { graceMs }),
  removeWorker: object({ id }),
  stats: nothing,
  shutdownIfIdle: nothing,
  emit: object({ type, data }),
} satisfies Record<HostMethod, unknown>;

export type HostParams<M extends HostMethod> = ShapeOf<(typeof shapes)[M]>;

export const notificationShapes = {
  ack: object({ stream, offset }),
  unfollow: object({ stream }),
};
