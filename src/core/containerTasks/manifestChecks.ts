import { OrchestratorError } from '../../base/errors.ts';
import type { Session } from '../sessions/session.ts';
import { invalidRequest, isAbsolutePath } from '../text.ts';
import type { ContainerTaskManifest } from './containerTask.ts';

/** Error: `invalid_request` */
export function checkManifest({ executable, container }: ContainerTaskManifest): void {
  if (executable?.type === 'node' && !isAbsolutePath(executable.file)) {
    throw invalidRequest(`The task's executable must be an absolute path, not ${executable.file}.`);
  }
  for (const { source } of container?.mounts ?? []) {
    if (!isAbsolutePath(source))
      throw invalidRequest(`What is mounted must be an absolute path, not ${source}.`);
  }
}

/** What a task may do that no person has agreed to. Error: `permission_denied` */
export function checkPolicy(
  { executable, container }: ContainerTaskManifest,
  { config, name }: Session,
): void {
  const { policy, allowedImages } = config;
  const within = (path: string): boolean =>
    policy.allowedPaths.some((allowed) => path === allowed || path.startsWith(`${allowed}/`));
  const refusal =
    executable !== undefined
      ? 'runs a program on this machine'
      : container?.network === 'bridge' && !policy.allowNetwork
        ? 'uses the network'
        : container?.mounts.some(({ source }) => !policy.allowVolumeMount || !within(source)) === true
          ? 'mounts folders of this machine'
          : allowedImages.length > 0 && container !== undefined && !allowedImages.includes(container.image)
            ? `uses the image ${container.image}`
            : policy.requireApproval
              ? 'needs the approval that its session asks for'
              : undefined;
  if (refusal === undefined) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `The task ${refusal}, which the session "${name}" does not allow. A person has to agree to it.`,
  );
}
