import { resolve } from 'node:path';
import { invalidRequest } from '../../core/text.ts';
import type { ImageProgress, ImageTaskOptions } from '../../core/ports/containerEngine.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { formatBytes } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { sessionOfDirectory } from '../sessionOfDirectory.ts';
import { untilStopped } from '../untilStopped.ts';
import type { ContainersCall } from './containersCall.ts';

export async function listImages({ context, containers }: ContainersCall): Promise<number> {
  const all = await containers.images.list();
  if (context.isJson) {
    await context.out.writeJson({ images: all });
    return exitCode.ok;
  }
  const rows = all.map(({ id, tags, sizeBytes }) => [shortId(id), formatBytes(sizeBytes), tags.join(' ')]);
  await context.out.write(formatTable(['ID', 'SIZE', 'TAGS'], rows, context.out.columns));
  return exitCode.ok;
}

export async function pullImage({ context, containers, words }: ContainersCall): Promise<number> {
  const [image = ''] = words;
  await withProgress(context, (options) => containers.images.pull(image, options));
  await (context.isJson ? context.out.writeJson({ image }) : context.out.writeLine(`${image} pulled`));
  return exitCode.ok;
}

/** `build TAG [FOLDER]`: of a folder of the session's directory. */
export async function buildImage(call: ContainersCall): Promise<number> {
  const { context, serving, containers, words, flags } = call;
  const [tag, folder] = words;
  if (tag === undefined) throw invalidRequest('Name the image: orchestrator containers build TAG [FOLDER]');
  const { id: sessionId, cwd } = await sessionOfDirectory(serving, flags.cwd);
  const wanted = { sessionId, tag, folder: folder === undefined ? undefined : resolve(cwd, folder) };
  const id = await withProgress(context, (options) => containers.images.build({ ...wanted, ...options }));
  return printImage(context, id, tag);
}

/** `import TAG PATH`: whoever types the path has chosen it. */
export async function importImage(call: ContainersCall): Promise<number> {
  const { context, serving, containers, words, flags } = call;
  const [tag, path] = words;
  if (tag === undefined || path === undefined) {
    throw invalidRequest('Name the image and what it is made of: orchestrator containers import TAG PATH');
  }
  const { id: sessionId } = await sessionOfDirectory(serving, flags.cwd);
  const wanted = { sessionId, tag, path: resolve(path), isChosen: true };
  const id = await withProgress(context, (options) => containers.images.import({ ...wanted, ...options }));
  return printImage(context, id, tag);
}

export async function removeImages({ context, containers, words }: ContainersCall): Promise<number> {
  if (words.length === 0) throw invalidRequest('Name the image.');
  for (const image of words) {
    await containers.images.remove(image);
    await (context.isJson
      ? context.out.writeJson({ image, removed: true })
      : context.out.writeLine(`${image} removed`));
  }
  return exitCode.ok;
}

async function printImage({ out, isJson }: CommandContext, id: string, tag: string): Promise<number> {
  await (isJson ? out.writeJson({ id, tag }) : out.writeLine(`${shortId(id)} ${tag}`));
  return exitCode.ok;
}

/** Tells on standard error how far it is; Ctrl-C gives it up. */
async function withProgress<T>(
  { err }: CommandContext,
  work: (options: ImageTaskOptions) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let shown = '';
  const onProgress = (progress: ImageProgress): void => {
    const line = progressLine(progress);
    if (line === shown) return;
    shown = line;
    void err.write(err.isTty ? `\r\x1b[K${line}` : `${line}\n`);
  };
  try {
    return await untilStopped(stop, work({ onProgress, signal: stop.signal }));
  } finally {
    if (err.isTty && shown !== '') await err.write('\r\x1b[K');
  }
}

/** An engine's words on one line, without a control character of theirs. */
function progressLine({ message, current, total }: ImageProgress): string {
  const text = message.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
  if (current === undefined || total === undefined || total === 0) return text;
  return `${text} ${formatBytes(current)} of ${formatBytes(total)}`;
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
