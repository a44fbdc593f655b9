import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ShellFile, ShellFiles } from '../../core/ports/shellFiles.ts';

/** Keeps the shells' start-up files in `folder`, for this user only. */
export function createShellFolder(folder: string): ShellFiles {
  return {
    async ensure(files) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chmod(folder, 0o700);
      await Promise.all(files.map((file) => ensureFile(folder, file)));
      return folder;
    },
  };
}

/** By rename, because a shell may be reading it right now, and another window may write the same. */
async function ensureFile(folder: string, { name, text }: ShellFile): Promise<void> {
  const path = join(folder, name);
  const present = await readFile(path, 'utf8').catch(() => undefined);
  if (present === text) return;
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
