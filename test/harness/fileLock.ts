import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Holds a lock among all processes of this machine, by flock(1); it goes with us, however we end. */
export async function fileLock(path: string): Promise<Disposable> {
  const holder = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  return { [Symbol.dispose]: () => void holder.stdin.end() };
}
