import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildGoProgram } from '../harness/goProgram.ts';
import { repo } from '../harness/paths.ts';
import { connectAssistant, ServedCore } from '../harness/servedCore.ts';

const run = promisify(execFile);
/** Building grpc-go for the first time takes a minute of one processor. */
const buildLimitMs = 300_000;

let folder: string;
let client: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ow-go-'));
  client = await build();
}, buildLimitMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function build(): Promise<string> {
  const sources = join(folder, 'src/workbench');
  mkdirSync(sources, { recursive: true });
  const library = 'github.com/golang/protobuf/ptypes';
  const packages = ['common', 'orchestrator', 'gateway'].map((name) => `${name}/v1`);
  const paths = [
    ...packages.map((path) => `M${path}/${path.replace('/v1', '')}.proto=workbench/${path}`),
    ...['empty', 'timestamp'].map((name) => `Mgoogle/protobuf/${name}.proto=${library}/${name}`),
  ];
  for (const path of packages) {
    await run('/usr/bin/protoc', [
      ...['-I', join(repo, 'proto'), `${path}/${path.replace('/v1', '')}.proto`],
      `--go_out=plugins=grpc,paths=source_relative,${paths.join(',')}:${sources}`,
    ]);
  }
  return buildGoProgram(join(import.meta.dirname, 'go/client.go'), folder);
}

it("a Go client works over the socket, by every authority that grpc-go's targets make", async () => {
  await using served = await new ServedCore().start();
  connectAssistant(served.core);
  const { socketPath } = served;
  for (const authority of [
    'localhost',
    socketPath,
    encodeURIComponent(socketPath),
    'orchestrator.local:1234',
  ]) {
    const { stdout } = await run(client, [socketPath, authority], { timeout: 40_000 }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    expect(stdout.trim().split('\n')).toEqual(
      ['health', 'session', 'messages', 'events', 'chat', 'errors', 'close'].map((name) => `ok ${name}`),
    );
  }
});
