import { OrchestratorError } from '../../base/errors.ts';
import type { Session } from '../sessions/session.ts';
import type { ContainerConfig } from './container.ts';

/**
 * Whether a session may have one more container, by its limits and its policy.
 * @param count how many it has. Errors: `session_closed`, `container_limit`, `image_not_allowed`, `permission_denied`.
 */
export function checkContainer(session: Session, config: ContainerConfig, count: number): void {
  const { maxContainers, allowedImages, policy } = session.config;
  if (session.state === 'closed' || session.state === 'closing') {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'session_closed',
      'cannot add container to closed session',
    );
  }
  if (maxContainers > 0 && count >= maxContainers) {
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'container_limit',
      `maximum containers limit reached: ${maxContainers}`,
    );
  }
  if (allowedImages.length > 0 && !allowedImages.includes(config.image)) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'image_not_allowed',
      `image not allowed in this session: ${config.image}`,
    );
  }
  if (policy === undefined) return;
  const networks = [...config.networks, ...(isNamedNetwork(config.networkMode) ? [config.networkMode] : [])];
  const wantsNetwork = networks.length > 0 || config.ports.length > 0;
  if (wantsNetwork && !policy.allowNetwork) throw denied('the network is not allowed in this session');
  const network = networks.find((name) => !isAmong(policy.allowedNetworks, name));
  if (network !== undefined) throw denied(`network not allowed in this session: ${network}`);
  const mounts = config.mounts.filter(({ type }) => type !== 'tmpfs');
  if (mounts.length > 0 && !policy.allowVolumeMount) throw denied('mounts are not allowed in this session');
  const bind = mounts.find(({ type, source }) => type === 'bind' && !isBelow(policy.allowedPaths, source));
  if (bind !== undefined) throw denied(`path not allowed in this session: ${bind.source}`);
}

function isNamedNetwork(mode: string): boolean {
  return mode !== '' && mode !== 'none' && mode !== 'default';
}

/** An empty list allows all. */
function isAmong(allowed: readonly string[], name: string): boolean {
  return allowed.length === 0 || allowed.includes(name);
}

/** Whether a path is one of the allowed or below one; a path with `..` in it never is. */
function isBelow(allowed: readonly string[], path: string): boolean {
  if (allowed.length === 0) return true;
  if (path.split('/').includes('..')) return false;
  return allowed.some((root) => {
    const folder = root.replace(/\/+$/, '');
    return path === folder || path.startsWith(`${folder}/`);
  });
}

function denied(message: string): OrchestratorError {
  return new OrchestratorError('PERMISSION_DENIED', 'permission_denied', message);
}
