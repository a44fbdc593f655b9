import { existsSync } from 'node:fs';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { grpcSocketPath } from '../../processHost/paths.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import type { SubsystemState } from '../../servers/daemon/daemonStatus.ts';

/** The daemon's door while it is open, as the window uses it. */
export interface RunningDaemon {
  /** E.g. `http://127.0.0.1:8787`. */
  readonly url: string;
  /** The file that holds its token. */
  readonly tokenPath: string;
  /** False where another program has the port that was asked for. */
  readonly isWantedPort: boolean;
  status(): DaemonStatus;
  /** Resolves when nothing listens any more. */
  stop(): Promise<void>;
}

export interface DaemonSettings {
  /** 0 for any. */
  readonly port: number;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
}

export interface OpenDaemonOptions extends DaemonSettings {
  readonly orchestrator: Orchestrator;
  readonly stateDir: string;
  readonly version: string;
  readonly logger: Logger;
}

/** A window that takes over waits for this one. */
const stopTimeoutMs = 1_000;

/** Opens the door. The one place that knows what opens it. Errors: those of `openDaemonDoor`. */
export async function openDaemon(options: OpenDaemonOptions): Promise<RunningDaemon> {
  // Loaded by those who start it only.
  const { openDaemonDoor } = await import('../../servers/daemon/door.ts');
  const socket = grpcSocketPath(options.stateDir);
  const subsystems = (): { readonly grpc: SubsystemState } => ({
    grpc: existsSync(socket) ? { status: 'running', detail: `unix:${socket}` } : { status: 'stopped' },
  });
  return openDaemonDoor({ ...options, subsystems, stopTimeoutMs });
}
