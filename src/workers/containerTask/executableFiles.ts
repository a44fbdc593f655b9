import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from 'node:fs';
import * as files from 'node:fs/promises';
import { join } from 'node:path';

/** Methods of the node's wrapper that work on files below the task's own folder, in the executable's own process. */
export interface TaskFileMethods {
  /** `fs('writeFile', 'a.txt', 'text')`: a function of Node's `fs/promises`, with a path below the folder. */
  readonly fs: (method: string, path: string, ...args: readonly unknown[]) => Promise<unknown>;
  readonly fsReadStream: (path: string) => Promise<ReadStream>;
  readonly fsWriteStream: (path: string) => Promise<WriteStream>;
}

export function taskFileMethods(folder: string): TaskFileMethods {
  const known = files as unknown as Readonly<Record<string, unknown>>;
  return {
    async fs(method, path, ...args) {
      const action = Object.hasOwn(known, method) ? known[method] : undefined;
      if (typeof action !== 'function') throw new Error(`Node's fs has no promise of ${method}.`);
      return (action as (...args: readonly unknown[]) => Promise<unknown>)(join(folder, path), ...args);
    },
    fsReadStream: (path) => Promise.resolve(createReadStream(join(folder, path))),
    fsWriteStream: (path) => Promise.resolve(createWriteStream(join(folder, path))),
  };
}
