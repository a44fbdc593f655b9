import { setTimeout as delay } from 'node:timers/promises';
import type { GrpcClient } from '../../clients/grpc/grpcClient.ts';
import type { RemoteAccess } from '../../clients/orchestrator/remoteAccess.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorAccess, ServingOrchestrator } from '../../core/orchestratorAccess.ts';
import { isHolderAlive, readCoreHolder } from '../../processHost/coreHolder.ts';
import type { CommandContext } from '../commandContext.ts';
import type { OpenCoreOptions } from '../composition.ts';

/** A core that does not greet within this time is busy with something else for good, or stopped. */
const greetingLimitMs = 3_000;
/** How long a core that has just taken the directory may take until it can be asked. */
const openingLimitMs = 15_000;
const openingPollMs = 50;

/** The core that serves the directory, over gRPC; where there is none, or none that answers, the directory's files. */
export async function withAccess<T>(
  context: CommandContext,
  use: (access: OrchestratorAccess) => Promise<T>,
): Promise<T> {
  const access = await openAccess(context);
  try {
    return await use(access);
  } finally {
    access.dispose();
  }
}

export type OpenAccess = OrchestratorAccess & Disposable;

/** As `withAccess`; to be disposed. */
export async function openAccess(context: CommandContext): Promise<OpenAccess> {
  return (await connectToCore(context)) ?? (await openFiles(context));
}

/**
 * The core that serves the directory, over gRPC, or a core of our own until `use` is through. Error: `state_in_use`
 * where the one that serves takes no commands; those of `openCore`.
 */
export async function withServing<T>(
  context: CommandContext,
  use: (serving: ServingOrchestrator) => Promise<T>,
  core: OwnCoreOptions = {},
): Promise<T> {
  const found = await connectOrOpen(
    context,
    () => connectToCore(context),
    () => openOwnCore(context, core),
  );
  if (typeof found === 'function') return found(use);
  try {
    return await use(found);
  } finally {
    found.dispose();
  }
}

/** What answers for the directory, or else what is opened on it; waits for a core that has only just taken it. */
export async function connectOrOpen<C, O>(
  { stateDir }: CommandContext,
  connect: () => Promise<C | undefined>,
  open: () => Promise<O>,
): Promise<C | O> {
  const deadline = Date.now() + openingLimitMs;
  for (;;) {
    const connected = await connect();
    if (connected !== undefined) return connected;
    try {
      return await open();
    } catch (error) {
      if (!OrchestratorError.is(error, 'state_in_use')) throw error;
      if (!mayOpenYet(stateDir) || Date.now() > deadline) throw error;
      await delay(openingPollMs);
    }
  }
}

/** Of a core of our own. */
type OwnCoreOptions = Pick<OpenCoreOptions, 'modelsFile' | 'limits'>;

/** Undefined where no core serves the directory, or none that can be asked. */
async function connectToCore(context: CommandContext): Promise<RemoteAccess | undefined> {
  const client = await dialCore(context);
  if (client === undefined) return undefined;
  const { RemoteAccess } = await import('../../clients/orchestrator/remoteAccess.ts');
  return new RemoteAccess(client);
}

/** The same, as a connection. */
export async function dialCore({ stateDir, logger }: CommandContext): Promise<GrpcClient | undefined> {
  const holder = readCoreHolder(stateDir);
  const socket = holder?.grpc?.socket;
  if (holder === undefined || socket === undefined || !isHolderAlive(holder)) return undefined;
  const { GrpcClient } = await import('../../clients/grpc/grpcClient.ts');
  const client = new GrpcClient(socket, { dialTimeoutMs: greetingLimitMs });
  try {
    await client.dial();
    logger.debug(`The core of pid ${holder.pid} answers at ${socket}`);
    return client;
  } catch (error) {
    client.close();
    logger.debug(`The core of pid ${holder.pid} does not answer at ${socket}`, error);
    return undefined;
  }
}

async function openFiles(context: CommandContext): Promise<OpenAccess> {
  const { FilesAccess } = await import('./filesAccess.ts');
  return FilesAccess.open(context);
}

/** Resolves with what makes use of it and closes it. */
async function openOwnCore(
  context: CommandContext,
  options: OwnCoreOptions,
): Promise<<T>(use: (serving: ServingOrchestrator) => Promise<T>) => Promise<T>> {
  const [{ openCore }, { LocalAccess }] = await Promise.all([
    import('../composition.ts'),
    import('./localAccess.ts'),
  ]);
  const { stateDir, logger, err } = context;
  const core = await openCore({ stateDir, kind: 'run', isDoorComing: false, logger, ...options });
  return async (use) => {
    try {
      if (core.recoveredFrom !== undefined) {
        void err.writeLine(`orchestrator: the database was broken; it is kept as ${core.recoveredFrom}.`);
      }
      core.orchestrator.onDidFail((error) => void err.writeLine(`orchestrator: ${error.message}`));
      const access = new LocalAccess(core.orchestrator);
      const answer = await use(access);
      await access.settled();
      return answer;
    } finally {
      await core.close({ endIdleHost: true });
    }
  };
}

/** Whether who has the lock is about to answer: it has taken the directory a moment ago and not said so yet, or opens. */
function mayOpenYet(stateDir: string): boolean {
  const holder = readCoreHolder(stateDir);
  if (holder === undefined || !isHolderAlive(holder)) return true;
  return holder.grpc?.state === 'opening' || holder.grpc?.state === 'open';
}
