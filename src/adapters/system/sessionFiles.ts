import { type Dirent, type Stats, constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import type { SessionFiles } from '../../core/tools/builtInTools.ts';

/** Of a file that is read or searched; larger ones are refused, or passed over. */
const maxFileBytes = 4 * 1024 * 1024;
const maxTextBytes = 200 * 1024;
const maxEntries = 2_000;
/** Of one search: files and folders looked at, and bytes read. */
const maxVisits = 20_000;
const maxSearchBytes = 128 * 1024 * 1024;
const maxLineLength = 400;
const maxDepth = 32;
/** What nobody searches, and what fills every search. */
const passedOver: ReadonlySet<string> = new Set(['.git', 'node_modules']);

/** The files below one directory, for reading. Links are followed only as far as they stay below it. */
export function createSessionFiles(directory: string): SessionFiles {
  return {
    async readFile(path, { from, count }) {
      const text = await readText(await confined(directory, path), path);
      const lines = text.split('\n');
      const part = lines.slice(from - 1, from - 1 + count);
      const kept = cutAt(part.join('\n'), maxTextBytes);
      const last = from - 1 + (kept.isCut ? kept.text.split('\n').length : part.length);
      if (from === 1 && last >= lines.length && !kept.isCut) return kept.text;
      return `${kept.text}\n[lines ${from} to ${last} of ${lines.length}]`;
    },

    async listDirectory(path) {
      const entries = await readDirectory(await confined(directory, path), path);
      const names = entries.map((entry) => `${entry.name}${entry.isDirectory() ? '/' : ''}`).toSorted();
      const more = names.length - maxEntries;
      return [...names.slice(0, maxEntries), ...(more > 0 ? [`[and ${more} more]`] : [])].join('\n');
    },

    async searchText(text, path, limit, signal) {
      const root = await realpath(directory);
      const found: string[] = [];
      const budget = { visits: maxVisits, bytes: maxSearchBytes };
      for await (const file of filesBelow(await confined(directory, path), budget, signal)) {
        const content = await readText(file, file, budget).catch(() => '');
        if (!content.includes(text)) continue;
        for (const [index, line] of content.split('\n').entries()) {
          if (!line.includes(text)) continue;
          found.push(`${relative(root, file)}:${index + 1}: ${line.trim().slice(0, maxLineLength)}`);
          if (found.length >= limit) return `${found.join('\n')}\n[the first ${limit} matches]`;
        }
      }
      const end = budget.visits <= 0 || budget.bytes <= 0 ? '\n[only a part was searched]' : '';
      return found.length === 0 ? `Nothing was found.${end}` : found.join('\n') + end;
    },
  };
}

/** The path without links. Errors: `permission_denied`, `invalid_request`. */
async function confined(directory: string, path: string): Promise<string> {
  const root = await realpath(directory);
  if (path.includes('\0')) throw invalid(`${JSON.stringify(path)} is no path.`);
  const wanted = resolve(root, path);
  // Before anything is looked up: whether something exists elsewhere is not to be learned here.
  if (!isBelow(root, wanted)) throw outside(path);
  let real: string;
  try {
    real = await realpath(wanted);
  } catch {
    throw invalid(`There is no ${path}.`);
  }
  if (!isBelow(root, real)) throw outside(path);
  return real;
}

function isBelow(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** @param path free of links. A link or a pipe put in its place meanwhile is neither followed nor waited for. */
async function readText(path: string, shown: string, budget?: { bytes: number }): Promise<string> {
  const file = await openFile(path, shown);
  try {
    const stats: Stats = await file.stat();
    if (!stats.isFile()) throw invalid(`${shown} is no file.`);
    if (stats.size > maxFileBytes)
      throw invalid(`${shown} is too large to be read: ${stats.size} bytes of at most ${maxFileBytes}.`);
    if (budget !== undefined) budget.bytes -= stats.size;
    const buffer = Buffer.alloc(stats.size);
    const { bytesRead } = await file.read(buffer, 0, stats.size, 0);
    const content = buffer.subarray(0, bytesRead);
    if (content.subarray(0, 8_192).includes(0)) throw invalid(`${shown} is no text.`);
    return content.toString('utf8');
  } finally {
    await file.close();
  }
}

async function openFile(path: string, shown: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw invalid(`${shown} cannot be read: ${OrchestratorError.from(error).message}`);
  }
}

async function readDirectory(path: string, shown: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw invalid(`${shown} cannot be listed: ${OrchestratorError.from(error).message}`);
  }
}

/** Files themselves, not links; a file where it is one. */
async function* filesBelow(
  path: string,
  budget: { visits: number; bytes: number },
  signal: AbortSignal,
  depth = 0,
): AsyncGenerator<string> {
  const entries = await readDirectory(path, path).catch(() => undefined);
  if (entries === undefined) {
    yield path;
    return;
  }
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    signal.throwIfAborted();
    budget.visits -= 1;
    if (budget.visits <= 0 || budget.bytes <= 0) return;
    const below = join(path, entry.name);
    if (entry.isFile()) yield below;
    else if (entry.isDirectory() && depth < maxDepth && !passedOver.has(entry.name))
      yield* filesBelow(below, budget, signal, depth + 1);
  }
}

function cutAt(text: string, limitBytes: number): { readonly text: string; readonly isCut: boolean } {
  const bytes = Buffer.from(text);
  if (bytes.length <= limitBytes) return { text, isCut: false };
  return {
    text: bytes
      .subarray(0, limitBytes)
      .toString('utf8')
      .replace(/\uFFFD+$/, ''),
    isCut: true,
  };
}

function outside(path: string): OrchestratorError {
  return new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `${path} is outside of the session's directory.`,
  );
}

function invalid(message: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}
