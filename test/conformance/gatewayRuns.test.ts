import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import {
  CreateGatewaySessionRequest,
  GatewayMessage,
  GatewayServiceDefinition,
  type StreamChatRequest,
  type StreamChatResponse,
  StreamResponsesRequest,
  StreamState,
} from '../../src/protocol/gen/gateway/v1/gateway.ts';
import { openGrpcDoor } from '../../src/servers/grpc/door.ts';
import type { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';
import { buildProduct } from '../integration/cliHarness.ts';
import { HostFixture } from '../integration/processHostHarness.ts';
import { iterate } from '../harness/servedCore.ts';

let dist: string;
let fixture: HostFixture;
let home: string;
let store: ReturnType<typeof openSqliteStore>['store'];
let core: Orchestrator;
let server: GrpcServer;
let client: GrpcClient;
let gateway: RpcClient<typeof GatewayServiceDefinition>;

beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

beforeEach(async () => {
  fixture = new HostFixture(dist);
  home = mkdtempSync(join(tmpdir(), 'ow-home-'));
  ({ store } = openSqliteStore(join(fixture.stateDir, 'orchestrator.db')));
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, SHELL: '/bin/bash', LANG: 'C.UTF-8' };
  core = new Orchestrator({
    store,
    processHost: fixture.client(),
    environment: createSystemEnvironment({ version: '1.0.0', env }),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
  });
  await core.start();
  const socketPath = join(fixture.stateDir, 'grpc.sock');
  server = await openGrpcDoor({ orchestrator: core, socketPath, version: '1.0.0', logger: nullLogger });
  client = new GrpcClient(socketPath);
  await client.dial();
  gateway = client.service(GatewayServiceDefinition);
});
afterEach(async () => {
  client.close();
  await server.stop();
  await core.close();
  store.dispose();
  await fixture.dispose();
  rmSync(home, { recursive: true, force: true });
});

const create = async (): Promise<string> =>
  (await gateway.createGatewaySession(CreateGatewaySessionRequest.fromPartial({ metadata: { name: 'web' } })))
    .sessionId;

function open(sessionId: string) {
  const requests = new AsyncQueue<StreamChatRequest>();
  const answers = iterate(gateway.streamChat(requests));
  const say = (content: string): void =>
    requests.push({
      sessionId,
      payload: { $case: 'message', value: GatewayMessage.fromPartial({ content }) },
    });
  /** Until a chunk is the last one, or there is something else. */
  const read = async (onText: (text: string) => void = () => undefined) => {
    let text = '';
    for (;;) {
      const next = await answers.next();
      if (next.done === true) return { text, payload: undefined };
      const payload: StreamChatResponse['payload'] = next.value.payload;
      if (payload?.$case !== 'chunk') return { text, payload };
      text += payload.value.text;
      onText(text);
      if (payload.value.isFinal) return { text, payload };
    }
  };
  return { requests, say, read };
}

it('a run in the session answers a chat, as it prints, and others may listen to it', async () => {
  const id = await create();
  const chat = open(id);
  const gate = join(home, 'gate');
  chat.say(
    `printf 'first \\033[31mred\\033[0m\\n'\nuntil [ -e '${gate}' ]; do sleep 0.05; done\necho grüße; false`,
  );
  let listening: Promise<string> | undefined;
  const listen = async (): Promise<string> => {
    let text = '';
    for await (const { payload } of gateway.streamResponses(
      StreamResponsesRequest.fromPartial({ sessionId: id }),
    )) {
      if (payload?.$case !== 'chunk') continue;
      text += payload.value.text;
      // The run goes on only once its first text has come to who listens, too.
      writeFileSync(gate, '');
    }
    return text;
  };
  const { text, payload } = await chat.read((sofar) => {
    if (sofar.includes('first red')) listening ??= listen();
  });
  expect(text).toBe('first red\ngrüße\n');
  expect(payload).toMatchObject({ value: { isFinal: true, metadata: { extra: { outcome: 'failed' } } } });
  expect(await listening).toBe(text);
  chat.say('echo second');
  expect((await chat.read()).text).toBe('second\n');
  chat.requests.end();
  expect((await chat.read()).payload).toBeUndefined();
});

it('a cancel aborts the run; who only leaves lets it go on, and finds its answer', async () => {
  const id = await create();
  const cancelled = open(id);
  cancelled.say('echo begun; sleep 100');
  await cancelled.read((text) => {
    if (!text.includes('begun')) return;
    const cancel = { reason: 'enough', force: false };
    cancelled.requests.push({ sessionId: id, payload: { $case: 'cancel', value: cancel } });
  });
  expect(await cancelled.read()).toMatchObject({
    payload: { $case: 'status', value: { state: StreamState.STREAM_STATE_CANCELLED, message: 'enough' } },
  });
  expect(core.runs.list().map(({ status }) => status)).toEqual(['cancelled']);

  const gate = join(home, 'gate');
  const leaver = new GrpcClient(server.socketPath);
  await leaver.dial();
  const requests = new AsyncQueue<StreamChatRequest>();
  const content = `echo begun\nuntil [ -e '${gate}' ]; do sleep 0.05; done\necho done > '${home}/done'; echo end`;
  const message = GatewayMessage.fromPartial({ content });
  requests.push({ sessionId: id, payload: { $case: 'message', value: message } });
  await iterate(leaver.service(GatewayServiceDefinition).streamChat(requests)).next();
  leaver.close();
  writeFileSync(gate, '');
  await expect.poll(() => existsSync(join(home, 'done')), { timeout: 20_000 }).toBe(true);
  const stored = () => core.messages.list({ sessionId: core.sessions.list()[0]!.id }).at(-1)!;
  await expect
    .poll(stored, { timeout: 20_000 })
    .toMatchObject({ role: 'assistant', content: 'begun\nend\n' });
});
