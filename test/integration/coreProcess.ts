import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { node } from './cliHarness.ts';

export interface CoreProcess {
  /** The first line that it prints. */
  readonly said: Promise<string>;
  /** As by kill -9. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** The core of fixtures/commandingCore.ts, in a process of its own. */
export function startCore(socketPath: string, folder: string, mode = ''): CoreProcess {
  const program = join(import.meta.dirname, 'fixtures/commandingCore.ts');
  const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', program, socketPath, folder, mode];
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const said = new Promise<string>((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`it ended with ${String(code)}`)));
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString();
      if (text.includes('\n')) resolve(text.trim());
    });
  });
  return {
    said,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
