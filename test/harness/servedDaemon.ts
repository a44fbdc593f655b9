// The real daemon: `orchestrator serve` in a process of its own.
import { readFileSync, rmSync } from 'node:fs';
import { CliFixture, buildProduct, type RunningCli } from '../integration/cliHarness.ts';
import type { TestDaemon, TestDaemonOptions } from './daemon.ts';

export async function startServedDaemon({ origins = [] }: TestDaemonOptions = {}): Promise<TestDaemon> {
  const dist = buildProduct();
  const cli = new CliFixture(dist);
  const serve = async (address: string): Promise<{ serving: RunningCli; url: string; token: string }> => {
    const allowed = origins.flatMap((origin) => ['--http-allowed-origin', origin]);
    const serving = cli.start(['serve', '--json', '--http', address, ...allowed]);
    await serving.shows('"http"');
    const { http } = JSON.parse(serving.stdout.toString()) as { http: { url: string; tokenFile: string } };
    const token = readFileSync(http.tokenFile, 'utf8').trim();
    return { serving, url: http.url.replace(/^http/, 'ws'), token };
  };
  let current = await serve('127.0.0.1:0');
  return {
    url: current.url,
    token: current.token,
    restart: async () => {
      current.serving.child.kill('SIGTERM');
      await current.serving.result;
      current = await serve(new URL(current.url).host);
    },
    [Symbol.asyncDispose]: async () => {
      await cli[Symbol.asyncDispose]();
      rmSync(dist, { recursive: true, force: true });
    },
  };
}
