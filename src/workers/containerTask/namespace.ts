import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { podCall } from '../../adapters/containerTasks/taskHttp.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { messageLimit, notificationLevel } from '../../core/containerTasks/callback.ts';
import type { ContainerTaskEventData } from '../../core/containerTasks/containerTaskEvents.ts';
import type { ContainerTaskSpec } from '../../core/containerTasks/containerTaskSpec.ts';
import { podCallOptions } from '../../protocol/podCall.ts';
import type { NamespaceDoor } from './callbackListener.ts';
import { isChainMethod } from './chainMethods.ts';

/** Calls of the container at a time: each may wait for minutes, and holds a connection of the listener meanwhile. */
const podCallLimit = 16;
/** All that one task keeps with `storeSet`, as JSON, in bytes. */
const storeLimit = 4 * 1024 * 1024;
const actionOfLog = 'OrcaTaskSDKNotification';

export interface NamespaceOptions {
  readonly spec: ContainerTaskSpec;
  readonly secret: string;
  /** @returns false where the task tells too much. */
  readonly notify: (data: ContainerTaskEventData['container_task.notification']) => Promise<boolean>;
}

export interface Namespace extends NamespaceDoor, Disposable {
  setPodAddress(address: string | null): void;
}

/** What a task's JavaScript executable may ask for: the contract's methods that make sense without a chain. */
export function createNamespace({ spec, secret, notify }: NamespaceOptions): Namespace {
  const store = createTaskStore(join(spec.paths.folder, 'store.json'));
  let podAddress: string | null = null;
  const podCalls = new Set<AbortController>();

  const log = async (level: unknown, message: unknown, action: unknown): Promise<boolean> => {
    const isTaken = await notify({
      level: notificationLevel(typeof level === 'string' ? level : 'log'),
      message: textOf(message).slice(0, messageLimit),
      action: typeof action === 'string' && action !== '' ? action.slice(0, 200) : actionOfLog,
    });
    if (isTaken) return true;
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'task_limit',
      'The task logs faster than it may. Wait before the next message.',
    );
  };
  const methods: Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>> = {
    logger: log,
    logMessage: (level, message, action) => log(level, message, action),
    storeGet: (key) => store.get(textOf(key)),
    storeSet: (key, value) => store.set(textOf(key), value),
    getBasePath: () => Promise.resolve(spec.paths.folder),
    getTaskLevelDBPath: () => Promise.resolve(join(spec.paths.folder, 'leveldb')),
    getTaskDBPath: () => Promise.resolve(join(spec.paths.folder, 'db')),
    getTaskNodeVersion: () => Promise.resolve(process.env['ORCHESTRATION_WORKBENCH_VERSION'] ?? '0.0.0'),
    podCall: async (path, options) => {
      if (podAddress === null) throw noContainer(spec);
      if (podCalls.size >= podCallLimit) throw tooManyCalls();
      const request = podCallOptions(textOf(path), options);
      const call = new AbortController();
      podCalls.add(call);
      try {
        const { status, data } = await podCall(podAddress, { ...request, signal: call.signal });
        return { status, data };
      } finally {
        podCalls.delete(call);
      }
    },
  };
  return {
    secret,
    setPodAddress(address) {
      podAddress = address;
    },
    call(method, args) {
      const known = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (known !== undefined) return known(...args);
      throw unknownMethod(method);
    },
    dispose() {
      for (const call of podCalls) call.abort();
    },
  };
}

function noContainer({ wantsContainer }: ContainerTaskSpec): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'task_call_failed',
    wantsContainer
      ? "The task's container does not answer yet, or publishes no port. Try again once it runs."
      : 'The task has no container: its manifest names none.',
  );
}

function tooManyCalls(): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'task_limit',
    `${podCallLimit} calls of the container wait for their answers. Wait for one of them before the next.`,
  );
}

function unknownMethod(method: string): OrchestratorError {
  const name = method.slice(0, 100);
  return new OrchestratorError(
    'UNIMPLEMENTED',
    'invalid_request',
    isChainMethod(method)
      ? `namespace.${name} needs the Koii chain, and this task runs without one.`
      : `namespace.${name} is not known.`,
  );
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

interface TaskStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
}

/** A file of JSON, written by rename, one change after the other. It outlives executions. */
function createTaskStore(path: string): TaskStore {
  let values: Map<string, unknown> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(action: (values: Map<string, unknown>) => T | Promise<T>): Promise<T> => {
    const done = last.then(async () => {
      values ??= await readStore(path);
      return action(values);
    });
    last = done.catch(() => undefined);
    return done;
  };
  return {
    get: (key) => inOrder((known) => known.get(key) ?? null),
    set: (key, value) =>
      inOrder(async (known) => {
        const changed = new Map(known).set(key, value ?? null);
        const text = JSON.stringify([...changed]);
        if (text.length > storeLimit) {
          throw new OrchestratorError(
            'RESOURCE_EXHAUSTED',
            'task_limit',
            `A task may keep at most ${storeLimit} bytes. Keep larger things in files below getBasePath().`,
          );
        }
        await writeFile(`${path}.tmp`, text, { mode: 0o600 });
        await rename(`${path}.tmp`, path);
        known.set(key, value ?? null);
      }),
  };
}

/** Of what cannot be read nothing is known: a store that was broken begins anew. */
async function readStore(path: string): Promise<Map<string, unknown>> {
  try {
    const entries: unknown = JSON.parse(await readFile(path, 'utf8'));
    return new Map(Array.isArray(entries) ? (entries as [string, unknown][]) : []);
  } catch {
    return new Map();
  }
}
