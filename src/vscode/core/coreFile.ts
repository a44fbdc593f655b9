import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod/mini';

/** `core.json`: who serves a state directory. Only for messages and for the request to yield; the lock decides. */
const coreFile = z.object({
  pid: z.number(),
  label: z.string(),
  kind: z.enum(['vscode', 'serve', 'run']),
  startedAt: z.number(),
  /** Where to ask for it to yield; a holder without one cannot be asked. */
  yieldSocket: z.optional(z.string()),
  /** Must be sent along: on Windows anyone may open the pipe. */
  yieldToken: z.optional(z.string()),
});
export type CoreFile = z.infer<typeof coreFile>;

const fileName = 'core.json';

/** Undefined when there is none, or none that can be read. */
export async function readCoreFile(stateDir: string): Promise<CoreFile | undefined> {
  try {
    const parsed = coreFile.safeParse(JSON.parse(await readFile(join(stateDir, fileName), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export async function writeCoreFile(stateDir: string, value: CoreFile): Promise<void> {
  await writeFileAtomically(join(stateDir, fileName), `${JSON.stringify(value)}\n`);
}

/** Only while the lock is still ours. */
export async function removeCoreFile(stateDir: string): Promise<void> {
  await rm(join(stateDir, fileName), { force: true });
}

/** Whoever reads sees the old text or the new one, whole. 0600. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
