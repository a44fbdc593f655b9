import { createRequire } from 'node:module';
import { request as httpRequest } from 'node:http';
import { serveRoutes, type TaskRoutes } from './executableRoutes.ts';
import { executableEnvironment, executableFlag } from './executableEnvironment.ts';
import { type TaskFileMethods, taskFileMethods } from './executableFiles.ts';

/** What the executable is given, as the global `namespace` and as the argument of the function that it exports. */
export interface ExecutableNamespace extends TaskRoutes, TaskFileMethods {
  /** Every other name is a method of the workbench: it answers a promise. */
  readonly [method: string]: (...args: never[]) => unknown;
}

/** Whether this process was started to load a task's executable. */
export function isTaskExecutable(argv: readonly string[]): boolean {
  return argv[2] === executableFlag;
}

/**
 * Loads a task's JavaScript file into this process: sets `namespace`, and calls what it exports, if that is a
 * function. The process ends as any program does, with 1 where the function rejects.
 */
export async function runTaskExecutable(argv: readonly string[]): Promise<void> {
  const [file = '', ...args] = argv.slice(3);
  const namespace = createExecutableNamespace(process.env);
  // As if it had been started by itself.
  process.argv = [argv[0] ?? '', file, ...args];
  Object.defineProperty(globalThis, 'namespace', { value: namespace, writable: true, configurable: true });
  const loaded: unknown = createRequire(file)(file);
  const entry = typeof loaded === 'function' ? loaded : propertyOf(loaded, 'default');
  if (typeof entry === 'function') await (entry as (namespace: unknown) => unknown)(namespace);
}

function createExecutableNamespace(env: NodeJS.ProcessEnv): ExecutableNamespace {
  const secret = env[executableEnvironment.secret] ?? '';
  const socket = env['IPC_SOCKET_PATH'] ?? '';
  const taskId = env['ORCA_TASK_ID'] ?? '';
  // What the executable starts must not be able to speak for it.
  delete env[executableEnvironment.secret];
  const own: Readonly<Record<string, unknown>> = {
    ...serveRoutes(env[executableEnvironment.apiSocket], taskId),
    ...taskFileMethods(env[executableEnvironment.folder] ?? ''),
  };
  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    callWorkbench({ socket, secret }, { args: [method, ...args], taskId, secret });
  return new Proxy({} as ExecutableNamespace, {
    get: (_target, name) => {
      // A promise would be taken for one by its `then`.
      if (typeof name !== 'string' || name === 'then') return undefined;
      if (Object.hasOwn(own, name)) return own[name];
      return (...args: unknown[]) => call(name, args);
    },
  });
}

function callWorkbench(
  where: { readonly socket: string; readonly secret: string },
  body: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const request = httpRequest({
      socketPath: where.socket,
      path: '/namespace-wrapper',
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        authorization: `Bearer ${where.secret}`,
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (part: string) => (answer += part));
      response.on('error', reject);
      response.on('end', () => {
        try {
          const value: unknown = JSON.parse(answer);
          if (response.statusCode === 200) resolve(propertyOf(value, 'response'));
          else reject(new Error(messageOf(value) ?? answer));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    request.end(text);
  });
}

function messageOf(value: unknown): string | undefined {
  const message = propertyOf(value, 'message');
  return typeof message === 'string' ? message : undefined;
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
