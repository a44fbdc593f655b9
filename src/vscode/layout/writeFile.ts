import { rename, writeFile } from 'node:fs/promises';

/** Whoever reads sees the old text or the new one, whole. 0600. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
