import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildProduct } from './cliHarness.ts';
import { type DaemonCore, type Frame, LocalClient, startDaemonCore, textOf } from './daemonHarness.ts';
import { HostFixture, isAlive, until } from './processHostHarness.ts';

let dist: string;
let fixture: HostFixture;
let daemon: DaemonCore;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => rmSync(dist, { recursive: true, force: true }));
beforeEach(async () => {
  fixture = new HostFixture(dist);
  daemon = await startDaemonCore(fixture);
});
afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
  await fixture.dispose();
});

interface SessionFrame {
  readonly id: string;
  readonly status: string;
  readonly orchestratorId: string;
  readonly endedAt?: string;
  readonly task: { readonly id: string; readonly status: string; readonly description: string };
  readonly metrics: { readonly tasksCompleted: number; readonly errorsEncountered: number };
}
const sessionOf = (frame: Frame): SessionFrame => frame['session'] as SessionFrame;
const shell = (task: unknown, more: object = {}): object => ({
  type: 'spawn_session',
  payload: { task, sessionType: 'shell', ...more },
});
const restart = async (): Promise<void> => {
  await daemon[Symbol.asyncDispose]();
  daemon = await startDaemonCore(fixture);
};
const placeOf = (frame: Frame): readonly [number, number] => [
  frame['seq'] as number,
  frame['part'] as number,
];

it('spawns a session whose task streams, and tells its end and how the session stands', async () => {
  const client = new LocalClient(daemon.logic);
  const task = { type: 'code', description: 'echo grüße; echo two', priority: 'high', status: 'pending' };
  client.send({ ...shell(task, { orchestratorId: 'vp_123', memoryProfile: 'default' }), requestId: 'r1' });
  const spawned = await client.next('session_spawned');
  expect(spawned).toMatchObject({ requestId: 'r1', seq: expect.any(Number) as number });
  const session = sessionOf(spawned);
  expect(['initializing', 'running']).toContain(session.status);
  expect(session).toMatchObject({
    orchestratorId: 'vp_123',
    type: 'shell',
    task: { ...task, status: session.task.status },
  });
  const taskId = session.task.id;
  const start = await client.next('stream_start');
  expect(start).toMatchObject({ sessionId: session.id, metadata: { taskId } });
  const end = await client.next('stream_end');
  expect(end).toMatchObject({ sessionId: session.id, metadata: { taskId, finishReason: 'stop' } });
  expect(textOf(client.frames, taskId)).toBe('grüße\r\ntwo\r\n');
  const done = await client.next('task_completed');
  expect(done).toMatchObject({
    sessionId: session.id,
    taskId,
    result: { status: 'success', completion_reason: 'DONE', output: 'grüße\r\ntwo\r\n' },
  });
  const last = sessionOf(await client.next('session_status_update'));
  expect(last).toMatchObject({
    status: 'completed',
    task: { status: 'completed' },
    metrics: { tasksCompleted: 1 },
  });
  const statuses = client.stream.filter(({ type }) => type === 'session_status_update');
  const seen = new Set(statuses.map((frame) => sessionOf(frame).status));
  expect([...seen]).toEqual(['initializing', 'running', 'completed']);
});

it('runs tasks in a session, with their output or without, and says what it cannot', async () => {
  const client = new LocalClient(daemon.logic);
  client.send(shell('true'));
  const { id: sessionId } = sessionOf(await client.next('session_spawned'));
  await client.next('task_completed');
  const execute = (task: string, more: object = {}): void =>
    client.send({ type: 'execute_task', payload: { sessionId, task, context: {}, ...more } });

  execute('echo again');
  const first = (await client.next('task_executing'))['taskId'] as string;
  await client.next((frame) => frame.type === 'task_completed' && frame['taskId'] === first);
  expect(textOf(client.frames, first)).toBe('again\r\n');

  execute('echo unseen', { streamResponse: false });
  const second = (await client.next('task_executing'))['taskId'] as string;
  const completed = await client.next(
    (frame) => frame.type === 'task_completed' && frame['taskId'] === second,
  );
  expect(completed).toMatchObject({ result: { output: 'unseen\r\n' } });
  expect(textOf(client.frames, second)).toBe('');

  execute('exit 3');
  const failed = await client.next('task_failed');
  expect(failed).toMatchObject({ sessionId, error: 'Step 1 failed with exit code 3.' });

  client.send({ type: 'execute_task', requestId: 'x', payload: { sessionId: 'none', task: 'true' } });
  expect(await client.next('error')).toMatchObject({
    error: 'Session not found: none',
    reason: 'session_not_found',
    requestId: 'x',
  });
  client.send({ type: 'session_status', payload: { sessionId: 'none' } });
  expect(await client.next('error')).toMatchObject({ error: 'Session not found: none' });

  client.send({ type: 'stop_session', payload: { sessionId } });
  await client.next((frame) => frame.type === 'session_status_update' && !('part' in frame));
  execute('true');
  expect(await client.next('error')).toMatchObject({
    error: `Session ${sessionId} is not running (status: terminated)`,
  });
});

it('stops a session with everything that runs in it, for everybody to see, and again without harm', async () => {
  const [client, other] = [new LocalClient(daemon.logic), new LocalClient(daemon.logic)];
  client.send(shell('echo pid:$$:; sleep 1000'));
  const { id: sessionId } = sessionOf(await client.next('session_spawned'));
  await client.next((frame) => /pid:\d+:/.test(JSON.stringify(frame)) && frame.type === 'stream_chunk');
  const pid = Number(/pid:(\d+):/.exec(JSON.stringify(client.frames))?.[1]);
  expect(isAlive(pid)).toBe(true);
  client.send({ type: 'stop_session', payload: { sessionId } });
  expect(await client.next('task_failed')).toMatchObject({ error: 'The task was cancelled.' });
  const isEnded = (frame: Frame): boolean =>
    frame.type === 'session_status_update' && sessionOf(frame).endedAt !== undefined;
  expect(sessionOf(await other.next(isEnded))).toMatchObject({ id: sessionId, status: 'terminated' });
  const answer = await client.next((frame) => isEnded(frame) && !('part' in frame));
  expect(sessionOf(answer)).toMatchObject({ status: 'terminated', task: { status: 'cancelled' } });
  expect(isAlive(pid)).toBe(false);
  client.send({ type: 'stop_session', payload: { sessionId } });
  expect(await client.next((frame) => isEnded(frame) && !('part' in frame))).toMatchObject({
    session: sessionOf(answer),
  });
  expect(other.frames.some(({ type }) => type === 'stream_chunk')).toBe(false);
});

it('lists sessions page by page, each once, while others come', async () => {
  const client = new LocalClient(daemon.logic);
  const made: string[] = [];
  for (let count = 0; count < 7; count += 1) made.push((await daemon.core.sessions.create({})).id);
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    client.send({ type: 'list_sessions', payload: { limit: 3, cursor } });
    const page = await client.next('sessions_list');
    listed.push(...(page['sessions'] as SessionFrame[]).map(({ id }) => id));
    cursor = page['nextCursor'] as string | undefined;
    made.push((await daemon.core.sessions.create({})).id);
    if (made.length > 20) break;
  } while (cursor !== undefined && listed.length < 7);
  expect(listed.slice(0, 7)).toEqual(made.slice(0, 7));
  expect(new Set(listed).size).toBe(listed.length);
  client.send({ type: 'list_sessions', payload: { status: 'terminated' } });
  expect(await client.next('sessions_list')).toMatchObject({ sessions: [], total: 0 });
  client.send({ type: 'list_sessions', payload: { cursor: 'none' } });
  expect(await client.next('error')).toMatchObject({ reason: 'invalid_request' });
});

it('attaches a terminal: its screen, then 10 MB at the pace of acknowledgements, typed and resized', async () => {
  const client = new LocalClient(daemon.logic);
  client.send({ type: 'spawn_terminal', payload: { shell: '/bin/sh', cols: 100, rows: 30 } });
  const terminal = (await client.next('terminal_spawned'))['terminal'] as { id: string; cols: number };
  expect(terminal.cols).toBe(100);
  const { id: terminalId } = terminal;
  client.send({ type: 'attach_terminal', payload: { terminalId, from: 0 } });
  const attached = await client.next('terminal_attached');
  let next = attached['offset'] as number;
  let acked = next;
  let most = 0;
  const bytes = 10 * 1024 * 1024;
  client.send({
    type: 'terminal_input',
    payload: { terminalId, data: `stty -opost; head -c ${bytes} /dev/zero | tr '\\0' x; exit 4\n` },
  });
  let xs = 0;
  const drain = async (): Promise<Frame> => {
    for (;;) {
      const frame = await client.next(({ type }) => type.startsWith('terminal_') && type !== 'terminal_done');
      if (frame.type === 'terminal_exited') return frame;
      expect(frame).toMatchObject({ type: 'terminal_output', offset: next });
      const data = frame['data'] as Uint8Array;
      next += data.length;
      xs += data.reduce((sum, byte) => sum + (byte === 0x78 ? 1 : 0), 0);
      most = Math.max(most, next - acked);
      // Late, so that the window is what holds it back.
      if (next - acked < 200 * 1024) continue;
      client.send({ type: 'terminal_ack', payload: { terminalId, offset: next } });
      acked = next;
    }
  };
  const acks = setInterval(
    () => client.send({ type: 'terminal_ack', payload: { terminalId, offset: next } }),
    100,
  );
  try {
    expect(await drain()).toMatchObject({ exitCode: 4, reason: 'exited' });
  } finally {
    clearInterval(acks);
  }
  expect(xs).toBeGreaterThanOrEqual(bytes);
  expect(xs).toBeLessThan(bytes + 10);
  expect(most).toBeLessThanOrEqual(256 * 1024);
  client.send({ type: 'attach_terminal', payload: { terminalId: 'none' } });
  expect(await client.next('error')).toMatchObject({ reason: 'terminal_not_found' });
});

it('resumes behind every frame with the same frames, in this process and in the next', async () => {
  const first = new LocalClient(daemon.logic);
  first.send({ type: 'subscribe', payload: { sessionIds: ['*'], topics: ['runs', 'terminals', 'events'] } });
  // Characters that are cut by the reports of a run, more than one chunk, a failure, and a stop.
  first.send(shell("for i in 1 2 3; do printf 'a\\303'; sleep 0.15; printf '\\244b'; done"));
  const { id } = sessionOf(await first.next('session_spawned'));
  await first.next('task_completed');
  first.send({ type: 'execute_task', payload: { sessionId: id, task: 'seq 1 20000; exit 1' } });
  await first.next('task_failed');
  first.send({ type: 'stop_session', payload: { sessionId: id } });
  await first.next((frame) => frame.type === 'session_status_update' && !('part' in frame));
  const lastSequence = daemon.core.events.lastSequence;
  const all = first.stream;
  expect(
    textOf(all, (all.find(({ type }) => type === 'stream_start')?.['metadata'] as { taskId: string }).taskId),
  ).toBe('aäb'.repeat(3));
  const places = all.map(placeOf);
  expect([...places].sort(([a, b], [c, d]) => a - c || b - d)).toEqual(places);
  const resumed = async (after: number, part?: number): Promise<readonly Frame[]> => {
    const client = new LocalClient(daemon.logic);
    const topics = ['runs', 'terminals', 'events'];
    client.send({ type: 'resume', payload: { after, part, sessionIds: ['*'], topics } });
    await client.next('resumed');
    const isLast = (frame: Frame): boolean =>
      'part' in frame && frame.type !== 'resumed' && placeOf(frame)[0] === lastSequence && !('more' in frame);
    await client.next(isLast);
    const { stream } = client;
    client.close();
    return stream;
  };
  const whole = await resumed(0);
  // What the client saw from its subscription on.
  const [firstSeq = 0] = places[0] ?? [];
  expect(whole.filter((frame) => placeOf(frame)[0] >= firstSeq)).toEqual(all);
  const cuts = whole.map((_frame, index) => index).filter((index) => index < whole.length - 1);
  for (const cut of cuts.filter((_cut, index) => index % 5 === 0)) {
    const frame = whole[cut];
    if (frame === undefined) continue;
    expect(await resumed(...placeOf(frame))).toEqual(whole.slice(cut + 1));
  }
  await restart();
  for (const cut of cuts.filter((_cut, index) => index % 17 === 0)) {
    const frame = whole[cut];
    if (frame === undefined) continue;
    const behind = (await resumed(...placeOf(frame))).filter(({ seq }) => (seq as number) <= lastSequence);
    expect(behind).toEqual(whole.slice(cut + 1));
  }
  const client = new LocalClient(daemon.logic);
  client.send({ type: 'resume', payload: { after: 1_000_000 } });
  expect(await client.next('error')).toMatchObject({ reason: 'invalid_request' });
});

it('makes a batch once for all who want the same, and leaves a slow client to read by itself', async () => {
  const clients = [1, 2, 3].map(() => new LocalClient(daemon.logic));
  const [a, b, slow] = clients as [LocalClient, LocalClient, LocalClient];
  for (const client of clients) client.send({ type: 'subscribe', payload: { sessionIds: ['*'] } });
  slow.isFull = true;
  a.send(shell('seq 1 5; sleep 0.3; seq 6 9'));
  await Promise.all([a.next('task_completed'), b.next('task_completed')]);
  await Promise.all([a, b].map((client) => client.next('session_status_update')));
  expect(slow.batches).toHaveLength(1);
  expect(b.batches.filter((batch) => a.batches.includes(batch)).length).toBeGreaterThan(1);
  slow.drain();
  await slow.next('task_completed');
  await slow.next('session_status_update');
  expect(slow.stream).toEqual(b.stream);
});

it('answers a spawn that is sent again with the same session, after a restart too', async () => {
  const gate = join(fixture.stateDir, 'gate');
  const requestId = 'b5b9a4de-9c6f-4b8c-a2c5-9d3f0a7e1c11';
  const spawn = { ...shell(`until [ -e '${gate}' ]; do sleep 0.05; done`), requestId };
  const [one, two] = [new LocalClient(daemon.logic), new LocalClient(daemon.logic)];
  one.send(spawn);
  two.send(spawn);
  const first = sessionOf(await one.next('session_spawned'));
  expect(sessionOf(await two.next('session_spawned')).id).toBe(first.id);
  await restart();
  const third = new LocalClient(daemon.logic);
  third.send(spawn);
  expect(sessionOf(await third.next('session_spawned'))).toMatchObject({
    id: first.id,
    task: { id: first.task.id },
  });
  const stranger = new LocalClient(daemon.logic, ['drive', 'read'], 'somebody else');
  stranger.send(spawn);
  const others = sessionOf(await stranger.next('session_spawned'));
  expect(others.id).not.toBe(first.id);
  writeFileSync(gate, '');
  // It is subscribed again by sending it again.
  await third.next('task_completed');
});

it('lets nobody do what the token does not allow', async () => {
  const client = new LocalClient(daemon.logic, ['read']);
  const refused = [
    shell('true'),
    { type: 'execute_task', payload: { sessionId: 'x', task: 'true' } },
    { type: 'stop_session', payload: { sessionId: 'x' } },
    { type: 'spawn_terminal', payload: {} },
    { type: 'terminal_input', payload: { terminalId: 'x', data: 'x' } },
    { type: 'terminal_resize', payload: { terminalId: 'x', cols: 1, rows: 1 } },
    { type: 'kill_terminal', payload: { terminalId: 'x' } },
    { type: 'abort_run', payload: { runId: 'x' } },
    { type: 'retry_run', payload: { runId: 'x' } },
  ];
  const before = daemon.core.events.lastSequence;
  for (const request of refused) {
    client.send(request);
    expect(await client.next('error')).toMatchObject({ reason: 'permission_denied' });
  }
  expect(daemon.core.events.lastSequence).toBe(before);
  client.send({ type: 'daemon_status' });
  await client.next('daemon_status_update');
});

it('tells the place of a task that waits for its turn', async () => {
  await daemon[Symbol.asyncDispose]();
  daemon = await startDaemonCore(fixture, { maxConcurrentRuns: 1 });
  const client = new LocalClient(daemon.logic);
  const gate = join(daemon.home, 'gate');
  client.send(shell(`until [ -e '${gate}' ]; do sleep 0.05; done`));
  const { id: sessionId } = sessionOf(await client.next('session_spawned'));
  await client.next('stream_start');
  client.send({ type: 'execute_task', payload: { sessionId, task: 'true' } });
  expect(await client.next('task_executing')).toMatchObject({ queuePosition: 1 });
  client.send({ type: 'execute_task', requestId: 'last', payload: { sessionId, task: 'echo last' } });
  const { taskId } = await client.next('task_executing');
  client.send({ type: 'daemon_status' });
  expect(await client.next('daemon_status_update')).toMatchObject({
    status: { activeSessions: 1, queuedTasks: 2, metrics: { totalSessionsSpawned: 1, successRate: 1 } },
  });
  writeFileSync(gate, '');
  expect(await client.next('task_queued')).toMatchObject({ taskId, position: 1, requestId: 'last' });
  await client.next((frame) => frame.type === 'task_completed' && frame['taskId'] === taskId);
  client.send({ type: 'daemon_status' });
  const { status } = (await client.next('daemon_status_update')) as unknown as { status: object };
  expect(status).toMatchObject({
    status: 'running',
    activeSessions: 0,
    queuedTasks: 0,
    metrics: { totalTasksProcessed: 3, totalTokensUsed: 0, successRate: 1 },
    subsystems: { sessionManager: { status: 'running' }, memoryManager: { status: 'running' } },
    process: { pid: process.pid },
  });
});

it('tells the status each second to those who subscribe to it, and leaves no session of a spawn that fails', async () => {
  const client = new LocalClient(daemon.logic);
  client.send({ type: 'subscribe', payload: { topics: ['status'] } });
  await client.next('subscribed');
  await client.next('daemon_status_update');
  client.send({ type: 'unsubscribe', payload: { topics: ['status'] } });
  expect(await client.next('unsubscribed')).toMatchObject({ topics: [] });
  client.send(shell('true', { cwd: '/nowhere/at/all' }));
  expect(await client.next('error')).toMatchObject({ reason: 'directory_missing' });
  client.send(shell('echo "unfinished'));
  expect(await client.next('error')).toMatchObject({ reason: 'invalid_request' });
  await until(() => daemon.core.sessions.list().length === 0, 'no session is open');
});
