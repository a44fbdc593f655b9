import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { OrchestratorError } from '../../base/errors.ts';
import type {
  BuildImageOptions,
  ImageProgress,
  ImageTaskOptions,
  ImportImageOptions,
} from '../../core/ports/containerEngine.ts';
import { ignoredBy } from './buildContext.ts';
import type * as Heavy from './dockerode.ts';
import type { AddressSources } from './engineAddress.ts';
import { engineError } from './engineErrors.ts';
import { JsonLines } from './jsonLines.ts';
import { allCredentials, credentialsFor, registryOf } from './registryAuth.ts';
import { readableOf } from './streams.ts';

/** The long tasks of images: each answers with a stream of JSON lines, which end with the outcome. */

type HeavyModule = typeof Heavy;
/** Where the person's logins to registries are. */
type Places = Pick<AddressSources, 'env' | 'home'>;

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
  places: Places,
): Promise<void> {
  const { signal } = options;
  const named = /[:@][^/]*$/.test(reference) ? reference : `${reference}:latest`;
  const login = await credentialsFor(registryOf(reference), places);
  const stream = await docker.createImage(login, { fromImage: named, ...abortable(signal) });
  await followTask(stream, `pull the image ${reference}`, options);
}

export async function buildImage(
  docker: Dockerode,
  heavy: HeavyModule,
  options: BuildImageOptions,
  places: Places,
): Promise<string> {
  const { folder, dockerfile = 'Dockerfile', tag, labels, buildArgs, signal } = options;
  const registryconfig = await allCredentials(places);
  const ignore = ignoredBy(heavy, folder, dockerfile);
  // What no tar file can hold, such as a pipe, is left out, as `docker build` does.
  const context = heavy.pack(folder, { ignore, strict: false });
  const lines = await sending(context, folder, async () => {
    const stream = await docker.buildImage(context, {
      t: tag,
      dockerfile,
      labels: { ...labels },
      buildargs: { ...buildArgs },
      rm: true,
      forcerm: true,
      registryconfig,
      ...abortable(signal),
    });
    return followTask(stream, `build the image ${tag}`, options);
  });
  const id = lines.findLast(({ aux }) => aux?.ID !== undefined)?.aux?.ID;
  return id ?? (await docker.getImage(tag).inspect()).Id;
}

export async function importImage(
  docker: Dockerode,
  heavy: HeavyModule,
  options: ImportImageOptions,
): Promise<string> {
  const { path, tag, signal } = options;
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined) throw unreadable(path, 'there is no such file or folder');
  const source = kind.isDirectory() ? heavy.pack(path, { strict: false }) : createReadStream(path);
  const colon = tag.lastIndexOf(':');
  const hasTag = colon > tag.lastIndexOf('/');
  await sending(source, path, async () => {
    const stream = await docker.importImage(source, {
      repo: hasTag ? tag.slice(0, colon) : tag,
      tag: hasTag ? tag.slice(colon + 1) : 'latest',
      ...abortable(signal),
    });
    await followTask(stream, `import the image ${tag}`, options);
  });
  return (await docker.getImage(tag).inspect()).Id;
}

/**
 * Runs what sends the stream, and ends the stream with it. What could not be read here is told as such: to the client
 * of the engine it looks like a broken connection.
 */
async function sending<T>(source: Readable, path: string, send: () => Promise<T>): Promise<T> {
  let failure: OrchestratorError | undefined;
  source.on('error', (error: Error) => (failure ??= unreadable(path, error.message)));
  try {
    return await send();
  } catch (error) {
    throw failure ?? error;
  } finally {
    source.destroy();
  }
}

function unreadable(path: string, words: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', `${path} cannot be read: ${words}`);
}

/** What is undefined would go into the address of the request. */
function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
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
    const progress = progressOf(line, layers);
    if (progress.message !== '') onProgress?.(progress);
  };
  const readable = readableOf(stream);
  const onAbort = (): void => void readable.destroy(new DOMException('Aborted', 'AbortError'));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const lines = new JsonLines();
    for await (const chunk of readable) {
      for (const line of lines.push(chunk as Buffer)) take(line as TaskLine);
    }
    for (const line of lines.end()) take(line as TaskLine);
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
