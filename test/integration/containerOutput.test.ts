import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';

let engine: TestEngine;
let fixture: ContainerCore;
let sessionId: string;

beforeAll(async () => {
  engine = await TestEngine.start();
  fixture = new ContainerCore(engine.client());
  await fixture.start();
  sessionId = (await fixture.session()).id;
}, 400_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

/** All of them take most of an hour. */
const attaches = process.env['ORCHESTRATOR_TEST_FULL'] === '1' ? 10_000 : 200;

it(
  `${attaches} starts of a program that ends at once lose none of its output`,
  async () => {
    const { containers } = fixture.core;
    const { id } = await fixture.create(sessionId, 'echo out; echo err >&2');
    for (let count = 1; count <= attaches; count += 1) {
      await containers.start(id);
      await containers.waitForExit(id);
      expect(containers.output.end(id)).toBe(count * 8);
    }
    await containers.remove(id);
  },
  attaches * 3_000,
);

it('100 MB are recorded to the last byte, in order, and read back', async () => {
  const { containers } = fixture.core;
  const bytes = 100_000_000;
  const { id } = await fixture.create(sessionId, `yes 123456789 | head -c ${bytes}`);
  const began = performance.now();
  await containers.start(id);
  expect(await containers.waitForExit(id)).toMatchObject({ exitCode: 0 });
  console.log(`100 MB in ${Math.round(performance.now() - began)} ms`);
  expect(containers.output.end(id)).toBe(bytes);
  const line = Buffer.from('123456789\n'.repeat(30_000));
  let total = 0;
  for await (const { data, offset } of containers.output.follow(id)) {
    expect(offset).toBe(total);
    const start = offset % 10;
    if (!line.subarray(start, start + data.length).equals(data)) throw new Error(`wrong bytes at ${offset}`);
    total += data.length;
  }
  expect(total).toBe(bytes);
  await containers.remove(id);
}, 300_000);
