import type { OrchestratorError } from '../../base/errors.ts';

/** Whether this is the address of a daemon, and not that of a gRPC door. */
export function isDaemonUrl(address: string): boolean {
  return /^(?:https?|wss?):\/\//i.test(address);
}

/** The daemon has answered, and the same question gets the same answer. */
export function isRefusal({ code }: OrchestratorError): boolean {
  return code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED' || code === 'UNIMPLEMENTED';
}
