import { closeSync, openSync, writeSync } from 'node:fs';
import type { Disposable } from '../base/disposable.ts';
import { writeFileAtomic } from './files.ts';

/** Lines beyond those of the last rewriting that are carried along until the file is written anew. */
const spareLines = 2_000;

/**
 * A file of one JSON value a line, which only grows until it is written anew from what its owner knows. A line costs one
 * system call: a file for each of them would cost a hundred times as much.
 */
export class JsonLog implements Disposable {
  private readonly path: string;
  private readonly contents: () => readonly unknown[];
  private descriptor: number;
  private lines = 0;
  private maxLines = 0;
  /** The last line may be a part only: the disk was full. */
  private isTorn = false;

  /** @param contents what the file has to say now, a line each; it is written anew with that at once. */
  constructor(path: string, contents: () => readonly unknown[]) {
    this.path = path;
    this.contents = contents;
    this.descriptor = this.rewrite();
  }

  /** Throws where the line cannot be written as a whole. */
  write(line: object): void {
    if (this.isTorn || this.lines >= this.maxLines) {
      const previous = this.descriptor;
      this.descriptor = this.rewrite();
      closeSync(previous);
    }
    this.isTorn = true;
    const content = Buffer.from(`${JSON.stringify(line)}\n`);
    const written = writeSync(this.descriptor, content);
    if (written < content.length)
      throw Object.assign(new Error(`${this.path} was cut short.`), { code: 'ENOSPC' });
    this.isTorn = false;
    this.lines += 1;
  }

  /** What has happened cannot be refused for a full disk: the next line writes the whole file anew. */
  tryWrite(line: object): void {
    try {
      this.write(line);
    } catch {
      this.isTorn = true;
    }
  }

  dispose(): void {
    closeSync(this.descriptor);
  }

  /** Also repairs a torn last line, to which the next would be glued. */
  private rewrite(): number {
    const lines = this.contents();
    writeFileAtomic(this.path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const descriptor = openSync(this.path, 'a', 0o600);
    this.isTorn = false;
    this.lines = lines.length;
    this.maxLines = lines.length * 2 + spareLines;
    return descriptor;
  }
}
