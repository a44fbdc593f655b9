import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type Dockerode from 'dockerode';
import { OrchestratorError } from '../../base/errors.ts';
import type {
  BuildImageOptions,
  ImageProgress,
  ImageTaskOptions,
  ImportImageOptions,
} from '../../core/ports/containerEngine.ts';
import type * as Heavy from './dockerode.ts';
import { engineError } from './engineErrors.ts';
import { readableOf } from './streams.ts';

/** The long tasks of images: each answers with a stream of JSON lines, which end with the outcome. */

type HeavyModule = typeof Heavy;

/** One line of what the engine tells of a long task. */
interface TaskLine {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: { readonly ID?: string };
}

export async function pullImage(
  docker: Dockerode,
  reference: string,
  options: ImageTaskOptions,
): Promise<void> {
  const { signal } = options;
  const named = /[:@][^/]*$/.test(reference) ? reference : `${reference}:latest`;
  const stream = await docker.createImage({ fromImage: named, ...abortable(signal) });
  await followTask(stream, `pull the image ${reference}`, options);
}

export async function buildImage(
  docker: Dockerode,
  heavy: HeavyModule,
  options: BuildImageOptions,
): Promise<string> {
  const { folder, dockerfile, tag, labels, buildArgs, signal } = options;
  const context = heavy.pack(folder, { ignore: ignoredBy(heavy, folder) });
  const stream = await docker.buildImage(context, {
    t: tag,
    dockerfile: dockerfile ?? 'Dockerfile',
    labels: { ...labels },
    buildargs: { ...buildArgs },
    rm: true,
    forcerm: true,
    ...abortable(signal),
  });
  const lines = await followTask(stream, `build the image ${tag}`, options);
  const id = lines.findLast(({ aux }) => aux?.ID !== undefined)?.aux?.ID;
  return id ?? (await docker.getImage(tag).inspect()).Id;
}

export async function importImage(
  docker: Dockerode,
  heavy: HeavyModule,
  options: ImportImageOptions,
): Promise<string> {
  const { path, tag, signal } = options;
  const source = statSync(path).isDirectory() ? heavy.pack(path) : createReadStream(path);
  const colon = tag.lastIndexOf(':');
  const hasTag = colon > tag.lastIndexOf('/');
  const stream = await docker.importImage(source, {
    repo: hasTag ? tag.slice(0, colon) : tag,
    tag: hasTag ? tag.slice(colon + 1) : 'latest',
    ...abortable(signal),
  });
  await followTask(stream, `import the image ${tag}`, options);
  return (await docker.getImage(tag).inspect()).Id;
}

/**
 * What .dockerignore leaves out. Where it has exceptions, folders are walked even if they are named, because a file
 * below may be one.
 */
function ignoredBy(heavy: HeavyModule, folder: string): (path: string) => boolean {
  let rules: string;
  try {
    rules = readFileSync(join(folder, '.dockerignore'), 'utf8');
  } catch {
    return () => false;
  }
  const ignore = heavy.createDockerIgnore({ ignorecase: false }).add(rules);
  const hasExceptions = /^\s*!/m.test(rules);
  return (path) => {
    const name = relative(folder, path).split(sep).join('/');
    if (name === '' || !ignore.ignores(name)) return false;
    return !(hasExceptions && isFolder(path));
  };
}

/** What is undefined would go into the address of the request. */
function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function isFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Reads to the end. Error: what the engine tells of in the stream, after it had answered that all is well. */
async function followTask(
  stream: NodeJS.ReadableStream,
  doing: string,
  options: ImageTaskOptions,
): Promise<TaskLine[]> {
  const { onProgress, signal } = options;
  const layers = new Map<string, { current: number; total: number }>();
  const kept: TaskLine[] = [];
  const take = (line: TaskLine): void => {
    if (line.error !== undefined) throw taskError(line.error, doing);
    if (line.aux !== undefined) kept.push(line);
    onProgress?.(progressOf(line, layers));
  };
  const readable = readableOf(stream);
  const onAbort = (): void => void readable.destroy(new DOMException('Aborted', 'AbortError'));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    let rest = '';
    for await (const chunk of readable) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') take(JSON.parse(line) as TaskLine);
    }
    if (rest.trim() !== '') take(JSON.parse(rest) as TaskLine);
    return kept;
  } catch (error) {
    throw engineError(error, doing);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function progressOf(line: TaskLine, layers: Map<string, { current: number; total: number }>): ImageProgress {
  const { current, total } = line.progressDetail ?? {};
  if (line.id !== undefined && current !== undefined && total !== undefined)
    layers.set(line.id, { current, total });
  const text = (line.stream ?? line.status ?? '').trimEnd();
  const message = line.id === undefined || line.stream !== undefined ? text : `${line.id}: ${text}`;
  if (layers.size === 0) return { message };
  const all = [...layers.values()];
  return {
    message,
    current: all.reduce((sum, layer) => sum + layer.current, 0),
    total: all.reduce((sum, layer) => sum + layer.total, 0),
  };
}

function taskError(words: string, doing: string): OrchestratorError {
  const error = engineError(new Error(words), doing);
  return OrchestratorError.is(error, 'container_engine_missing')
    ? new OrchestratorError('INTERNAL', 'container_engine_failed', error.message)
    : error;
}
