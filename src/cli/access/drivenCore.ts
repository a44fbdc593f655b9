import type { DrivenOrchestrator } from '../../core/drivenOrchestrator.ts';
import { grpcSocketPath } from '../../processHost/paths.ts';
import type { CommandContext } from '../commandContext.ts';
import { version } from '../version.ts';
import { connectOrOpen, dialCore } from './openAccess.ts';

interface OpenedCore {
  readonly orchestrator: DrivenOrchestrator;
  isThere(): boolean;
  close(): Promise<void>;
}

/**
 * The orchestrator of a state directory for as long as somebody drives it: the one that serves the directory, and where
 * none does, one of our own, which other commands reach meanwhile. Opened by the first call; where the one that was
 * there has gone, the next call finds the next.
 */
export class DrivenCore {
  private readonly context: CommandContext;
  private opening: Promise<OpenedCore> | undefined;

  constructor(context: CommandContext) {
    this.context = context;
  }

  /** Errors: those of `openCore`. */
  async orchestrator(): Promise<DrivenOrchestrator> {
    const { opening } = this;
    const opened = await opening;
    if (opened?.isThere() === true) return opened.orchestrator;
    // Of those who come at the same time, the first one opens it.
    if (this.opening === opening) {
      this.opening = this.open(opened);
      this.opening.catch(() => (this.opening = undefined));
    }
    return this.orchestrator();
  }

  /** Detaches: what was started goes on. */
  async close(): Promise<void> {
    const opened = await this.opening?.catch(() => undefined);
    this.opening = undefined;
    await opened?.close();
  }

  private async open(lost: OpenedCore | undefined): Promise<OpenedCore> {
    await lost?.close();
    return connectOrOpen<OpenedCore, OpenedCore>(
      this.context,
      () => connect(this.context),
      () => openOwn(this.context),
    );
  }
}

async function connect(context: CommandContext): Promise<OpenedCore | undefined> {
  const client = await dialCore(context);
  if (client === undefined) return undefined;
  const { remoteOrchestrator } = await import('../../clients/orchestrator/remoteDriven.ts');
  return {
    orchestrator: remoteOrchestrator(client),
    isThere: () => client.isConnected,
    // eslint-disable-next-line @typescript-eslint/require-await -- as the other one answers
    close: async () => client.close(),
  };
}

async function openOwn({ stateDir, logger, err }: CommandContext): Promise<OpenedCore> {
  const [{ openCore }, { localOrchestrator }, { openGrpcDoor }] = await Promise.all([
    import('../composition.ts'),
    import('../../servers/mcp/localOrchestrator.ts'),
    import('../../servers/grpc/door.ts'),
  ]);
  const core = await openCore({ stateDir, kind: 'mcp', isDoorComing: true, logger });
  try {
    const { orchestrator, recoveredFrom } = core;
    const socket = grpcSocketPath(stateDir);
    const door = await openGrpcDoor({ orchestrator, socketPath: socket, version, logger });
    core.announce({ grpc: { state: 'open', socket } });
    if (recoveredFrom !== undefined)
      void err.writeLine(`orchestrator: the database was broken; it is kept as ${recoveredFrom}.`);
    orchestrator.onDidFail((error) => void err.writeLine(`orchestrator: ${error.message}`));
    return {
      orchestrator: localOrchestrator(orchestrator),
      isThere: () => true,
      async close() {
        await door.stop();
        await core.close({ endIdleHost: true });
      },
    };
  } catch (error) {
    await core.close({ endIdleHost: true });
    throw error;
  }
}
