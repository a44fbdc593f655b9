// The daemon that clients are tested against.
import { ScriptedDaemon } from './scriptedDaemon.ts';

export interface TestDaemon extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Ends it and starts it again at the same address, with the same log; its tasks go on meanwhile. */
  restart(): Promise<void>;
}

export interface TestDaemonOptions {
  /** Of pages that may connect. */
  readonly origins?: readonly string[] | undefined;
}

export async function startDaemon(_options: TestDaemonOptions = {}): Promise<TestDaemon> {
  return await ScriptedDaemon.start();
}
