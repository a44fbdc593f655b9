import { systemIds } from '../../base/ids.ts';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { type GrpcLimits, GrpcServer, type TcpOptions } from './grpcServer.ts';
import { agentService } from './services/agentService.ts';
import { containerService } from './services/containerService.ts';
import { containerTaskService } from './services/containerTaskService.ts';
import { eventService } from './services/eventService.ts';
import { gatewayService } from './services/gatewayService.ts';
import { llmService } from './services/llmService.ts';
import { orchestratorService } from './services/orchestratorService.ts';
import { runService } from './services/runService.ts';
import { sessionService } from './services/sessionService.ts';
import { terminalService } from './services/terminalService.ts';
import { toolService } from './services/toolService.ts';

export interface GrpcDoorOptions {
  readonly orchestrator: Orchestrator;
  /** Undefined where only what is attached is served. */
  readonly socketPath?: string | undefined;
  readonly tcp?: TcpOptions | undefined;
  readonly limits?: Partial<GrpcLimits> | undefined;
  readonly version: string;
  readonly logger: Logger;
}

/** Opens the gRPC door of a core: every service that there is. Errors: those of `GrpcServer.start`. */
export async function openGrpcDoor(options: GrpcDoorOptions): Promise<GrpcServer> {
  const { orchestrator, version } = options;
  const facts = { version, startedAt: Date.now(), now: Date.now, newId: () => systemIds.hexId() };
  const server = new GrpcServer({
    ...options,
    services: [
      orchestratorService(orchestrator, facts),
      gatewayService(orchestrator, facts),
      agentService(orchestrator, facts),
      sessionService(orchestrator),
      terminalService(orchestrator),
      runService(orchestrator),
      containerService(orchestrator),
      containerTaskService(orchestrator),
      eventService(orchestrator),
      toolService(orchestrator, facts),
      llmService(orchestrator, facts),
    ],
  });
  await server.start();
  return server;
}
