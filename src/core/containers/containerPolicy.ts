import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerMount, EngineInfo } from '../ports/containerEngine.ts';
import type { Environment } from '../ports/environment.ts';
import type { Session } from '../sessions/session.ts';
import { invalidRequest, isAbsolutePath } from '../text.ts';
import type { ContainerGrant } from './container.ts';

export interface MountRules {
  readonly session: Session;
  readonly allow: ContainerGrant;
  readonly engine: EngineInfo;
  readonly environment: Pick<Environment, 'realPath'>;
  /** Volumes that the session owns: their name for people, and the engine's. */
  readonly ownVolumes: ReadonlyMap<string, string>;
}

/**
 * The mounts as the engine is to make them: paths without links on the way, volumes by the engine's name. What lies in
 * the session's directory may be mounted where the session allows mounts at all; what lies elsewhere, only if it was
 * named. The engine's socket never, nor a folder that holds it: it is as good as the machine itself.
 * Errors: `policy_violation`, `invalid_request`.
 */
export async function checkMounts(
  mounts: readonly ContainerMount[],
  rules: MountRules,
): Promise<ContainerMount[]> {
  return Promise.all(mounts.map((mount) => checkMount(mount, rules)));
}

/**
 * Before each start: what was checked is a path, and who may write to the folder above it, such as another container,
 * can have put a link in its place. Errors: `policy_violation`, `invalid_request`.
 */
export async function checkMountsAgain(
  mounts: readonly ContainerMount[],
  engine: EngineInfo,
  environment: Pick<Environment, 'realPath'>,
): Promise<void> {
  if (!engine.isLocal) return;
  for (const { type, source } of mounts) {
    if (type !== 'bind') continue;
    const real = await environment.realPath(source);
    if (real === undefined) throw invalidRequest(`There is no ${source} any more, which is to be mounted.`);
    if (real === source) continue;
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'policy_violation',
      `${source} was replaced by a link to ${real} after the mount was allowed. Make the container anew.`,
    );
  }
}

async function checkMount(mount: ContainerMount, rules: MountRules): Promise<ContainerMount> {
  if (mount.type === 'tmpfs') return mount;
  const { session, allow, ownVolumes } = rules;
  const { policy } = session.config;
  if (mount.type === 'volume') {
    const own = ownVolumes.get(mount.source);
    if (own !== undefined) return { ...mount, source: own };
    throw invalidRequest(`The session has no volume "${mount.source}". Make it first.`);
  }
  if (!policy.allowVolumeMount && allow.volumeMount !== true && allow.paths === undefined) {
    throw policyViolation('This session allows no mounts.', session);
  }
  if (!isAbsolutePath(mount.source)) {
    throw invalidRequest(`The path to be mounted must be absolute: "${mount.source}".`);
  }
  return { ...mount, source: await checkPath(mount.source, rules) };
}

async function checkPath(source: string, rules: MountRules): Promise<string> {
  const { session, allow, engine, environment } = rules;
  const named = [...session.config.policy.allowedPaths, ...(allow.paths ?? [])];
  if (!engine.isLocal) {
    // Its files are not those of this machine: only what was named is known to be meant.
    if (named.some((path) => isWithin(source, path))) return source;
    throw policyViolation(
      `${source} is a path of the engine's machine, and was not allowed by name.`,
      session,
    );
  }
  const real = await environment.realPath(source);
  if (real === undefined) throw invalidRequest(`There is no ${source} to be mounted.`);
  const socket = engine.socketPath === undefined ? undefined : await environment.realPath(engine.socketPath);
  for (const path of [socket, engine.socketPath]) {
    if (path !== undefined && (isWithin(path, real) || isWithin(path, source))) {
      throw policyViolation(
        `${source} holds the container engine's socket, which no container gets.`,
        session,
      );
    }
  }
  for (const path of [session.cwd, ...named]) {
    const realAllowed = await environment.realPath(path);
    if (realAllowed !== undefined && isWithin(real, realAllowed)) return real;
  }
  throw policyViolation(
    `${source} lies outside of the session's directory (${session.cwd}) and was not allowed.`,
    session,
  );
}

/** Whether `path` is `folder` or lies below it. Both are real paths. */
function isWithin(path: string, folder: string): boolean {
  const base = folder.replace(/[\\/]+$/, '');
  return path === folder || path === base || path.startsWith(`${base}/`) || path.startsWith(`${base}\\`);
}

export function policyViolation(message: string, session: Session): OrchestratorError {
  return new OrchestratorError('PERMISSION_DENIED', 'policy_violation', message, {
    details: { sessionId: session.id },
  });
}
