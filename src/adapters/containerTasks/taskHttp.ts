import { request as httpRequest, type RequestOptions } from 'node:http';
import { OrchestratorError } from '../../base/errors.ts';
import type { TaskHttpRequest, TaskHttpResponse } from '../../core/ports/containerTasks.ts';

/** Largest answer that is taken, in bytes. */
const answerLimit = 16 * 1024 * 1024;
/** Orca's own limit for one call of its container. */
const defaultTimeoutMs = 900_000;
/** They belong to one connection, not to the message. */
const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  // A list of cookies would not survive as one line, and they would be the workbench's as much as the task's.
  'set-cookie',
]);

/**
 * Errors: `task_not_running` where nobody listens, `aborted` by the signal, `task_call_failed` for everything else that
 * goes wrong, with the code DEADLINE_EXCEEDED where its time is over.
 */
export function taskRequest(
  where: Pick<RequestOptions, 'socketPath' | 'host' | 'port'>,
  { method, path, headers, body, timeoutMs = defaultTimeoutMs, signal }: TaskHttpRequest,
): Promise<TaskHttpResponse> {
  const timeout = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      if (signal?.aborted === true) reject(aborted(error));
      else if (timeout.aborted) reject(noAnswerInTime(timeoutMs, error));
      else reject(callError(error));
    };
    const request = httpRequest({
      ...where,
      method,
      path,
      headers: { ...forwarded(headers), 'content-length': String(body.length) },
      // From its first byte to the last of the answer: who drips bytes does not hold it open.
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      agent: false,
    });
    request.on('error', fail);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size <= answerLimit) parts.push(part);
        else request.destroy(new Error(`Its answer is larger than ${answerLimit} bytes.`));
      });
      response.on('error', fail);
      response.on('end', () => {
        const own = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const);
        resolve({
          status: response.statusCode ?? 502,
          headers: forwarded(Object.fromEntries(own)),
          body: Buffer.concat(parts),
        });
      });
    });
    request.end(body);
  });
}

/**
 * Asks a task's container. @returns its answer, and in `data` what it says: JSON where it is such, else text.
 * Errors: those of `taskRequest`.
 */
export async function podCall(
  address: string,
  request: TaskHttpRequest,
): Promise<TaskHttpResponse & { readonly data: unknown }> {
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  const response = await taskRequest({ host, port: Number(port) }, request);
  const text = Buffer.from(response.body).toString('utf8');
  return { ...response, data: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function forwarded(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name.toLowerCase())));
}

function aborted(cause: unknown): OrchestratorError {
  return new OrchestratorError('CANCELLED', 'aborted', 'The call was given up.', { cause });
}

function noAnswerInTime(timeoutMs: number, cause: unknown): OrchestratorError {
  return new OrchestratorError(
    'DEADLINE_EXCEEDED',
    'task_call_failed',
    `The task did not answer within ${timeoutMs / 1_000} s.`,
    { cause },
  );
}

function callError(error: unknown): OrchestratorError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new OrchestratorError(
      'FAILED_PRECONDITION',
      'task_not_running',
      'The task does not listen: it does not run, or has registered nothing.',
      { cause: error },
    );
  }
  const { message } = OrchestratorError.from(error);
  return new OrchestratorError('UNAVAILABLE', 'task_call_failed', `The task did not answer: ${message}`, {
    cause: error,
  });
}
