// The daemon as a person starts it, in a process of its own.
import { readFileSync, rmSync } from 'node:fs';
import { buildProduct, CliFixture, type RunningCli } from '../integration/cliHarness.ts';

export interface TestDaemon extends AsyncDisposable {
  /** `ws://…` */
  readonly url: string;
  /** `http://…` */
  readonly httpUrl: string;
  /** The product that it is made of. */
  readonly dist: string;
  readonly token: string;
  /** Ends it and starts it again at the same address, with the same log; its tasks go on meanwhile. */
  restart(): Promise<void>;
}

export interface TestDaemonOptions {
  /** Of pages that may connect. */
  readonly origins?: readonly string[] | undefined;
  /** Besides what a login has. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Of `serve`, besides. */
  readonly flags?: readonly string[] | undefined;
}

export async function startDaemon({
  origins = [],
  env,
  flags = [],
}: TestDaemonOptions = {}): Promise<TestDaemon> {
  const dist = buildProduct();
  const cli = new CliFixture(dist);
  const allowed = origins.flatMap((origin) => ['--http-allowed-origin', origin]);
  const serve = async (address: string): Promise<RunningCli> => {
    const started = cli.start(
      ['serve', '--json', '--no-grpc', '--http', address, ...allowed, ...flags],
      env === undefined ? {} : { env },
    );
    await started.shows('"ready":true');
    return started;
  };
  let serving = await serve('127.0.0.1:0');
  const { http } = JSON.parse(serving.stdout.toString()) as { http: { url: string; tokenFile: string } };
  return {
    url: http.url.replace(/^http/, 'ws'),
    httpUrl: http.url,
    dist,
    token: readFileSync(http.tokenFile, 'utf8').trim(),
    async restart() {
      serving.child.kill('SIGTERM');
      await serving.result;
      serving = await serve(new URL(http.url).host);
    },
    async [Symbol.asyncDispose]() {
      await cli[Symbol.asyncDispose]();
      rmSync(dist, { recursive: true, force: true });
    },
  };
}
