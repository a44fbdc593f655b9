import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import type { Disposable } from '../../src/base/disposable.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcClient, type GrpcClientConfig } from '../../src/clients/grpc/grpcClient.ts';
import type { AgentMessage } from '../../src/core/agents/agentLink.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import type { OrchestratorLimits } from '../../src/core/limits.ts';
import { openGrpcDoor } from '../../src/servers/grpc/door.ts';
import type { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';
import { createFileRecords } from '../../src/adapters/containerRecords/fileRecords.ts';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import { CoreHarness } from './core.ts';
import { createFakeEnvironment } from './fakeEnvironment.ts';
import { FakeProcessHost } from './fakeProcessHost.ts';

/** A core with its real store and its real door on a socket, in this process; only what would run is made up. */
export class ServedCore {
  readonly harness = new CoreHarness();
  readonly core: Orchestrator;
  readonly socketPath = join(this.harness.folder, 'grpc.sock');
  private readonly clients: GrpcClient[] = [];
  private readonly directories = new Set<string>();
  private readonly engine: ContainerEngine | undefined;
  private server: GrpcServer | undefined;

  constructor(
    options: {
      readonly limits?: Partial<OrchestratorLimits>;
      /** Of the test's own; disposed with the core. */
      readonly engine?: ContainerEngine;
    } = {},
  ) {
    const { engine, limits } = options;
    this.engine = engine;
    this.core = new Orchestrator({
      limits,
      containers: engine && {
        engine,
        records: createFileRecords(join(this.harness.folder, 'containers'), 1024 * 1024),
        installationId: 'c'.repeat(32),
      },
      store: this.harness.store,
      processHost: new FakeProcessHost(this.harness.machine),
      environment: createFakeEnvironment(this.directories),
      clock: systemClock,
      ids: systemIds,
      logger: nullLogger,
    });
  }

  async start(): Promise<this> {
    await this.core.start();
    await this.openDoor();
    return this;
  }

  async openDoor(): Promise<void> {
    const { core, socketPath } = this;
    this.server = await openGrpcDoor({
      orchestrator: core,
      socketPath,
      version: '1.2.3',
      logger: nullLogger,
      limits: { shutdownTimeoutMs: 2_000, maxConnections: 1_000 },
    });
  }

  /** One more directory of its made-up machine. */
  knowDirectory(path: string): void {
    this.directories.add(path);
  }

  /** A connection of its own; closed with the core. */
  async connect(config: Partial<GrpcClientConfig> = {}): Promise<GrpcClient> {
    const client = new GrpcClient(this.socketPath, { dialTimeoutMs: 20_000, ...config });
    this.clients.push(client);
    await client.dial();
    return client;
  }

  async closeDoor(): Promise<void> {
    await this.server?.stop();
    this.server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.close();
    await this.closeDoor();
    await this.core.close();
    this.engine?.dispose();
    this.harness.dispose();
  }
}

export interface Assistant extends Disposable {
  readonly questions: readonly AgentMessage[];
}

/** An agent of the name `assistant` that answers what it is asked; with null it is silent. */
export function connectAssistant(
  { agents, conversations }: Orchestrator,
  answer: (question: string) => string | null = (question) => `You said: ${question}`,
): Assistant {
  const questions: AgentMessage[] = [];
  const { id } = agents.register({ name: 'assistant' });
  const link = agents.connect(id, {
    deliverTask: () => undefined,
    cancelTask: () => undefined,
    deliverMessage: (question) => {
      questions.push(question);
      const { body, correlationId } = question;
      const text = body.kind === 'data' ? answer(new TextDecoder().decode(body.data)) : null;
      if (text === null) return;
      // As over a stream, an answer comes in a later turn.
      setImmediate(() =>
        conversations.receive(id, {
          ...question,
          sourceId: id,
          targetId: 'orchestrator',
          correlationId,
          body: {
            kind: 'data',
            contentType: 'text/plain',
            data: new TextEncoder().encode(text),
            headers: {},
          },
        }),
      );
    },
  });
  return {
    questions,
    dispose: () => {
      link.dispose();
      agents.unregister(id, 'test');
    },
  };
}

/** The next message of a stream that has not ended. */
export async function nextOf<T>(stream: AsyncIterator<T>): Promise<T> {
  const next = await stream.next();
  if (next.done === true) throw new Error('The stream has ended.');
  return next.value;
}

export function iterate<T>(source: AsyncIterable<T>): AsyncIterator<T> {
  return source[Symbol.asyncIterator]();
}
