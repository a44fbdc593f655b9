import { OrchestratorError } from '../../base/errors.ts';
import type { Session } from '../sessions/session.ts';
import { invalidRequest, isAbsolutePath } from '../text.ts';
import type { ContainerTaskManifest } from './containerTask.ts';

/** Error: `invalid_request` */
export function checkManifest({ executable, container, publicApi }: ContainerTaskManifest): void {
  if (executable?.type === 'node' && !isAbsolutePath(executable.file)) {
    throw invalidRequest(`The task's executable must be an absolute path, not ${executable.file}.`);
  }
  for (const { source } of container?.mounts ?? []) {
    if (!isAbsolutePath(source))
      throw invalidRequest(`What is mounted must be an absolute path, not ${source}.`);
  }
  if (publicApi && executable?.type !== 'node') {
    throw invalidRequest('Only a JavaScript executable can register routes, and publicApi is for those.');
  }
}

/** What a task may do that no person has agreed to. Error: `permission_denied` */
export function checkPolicy(
  { executable, container, inheritedEnvironment }: ContainerTaskManifest,
  { config, name }: Session,
): void {
  const { policy, allowedImages } = config;
  const within = (path: string): boolean =>
    policy.allowedPaths.some((allowed) => path === allowed || path.startsWith(`${allowed}/`));
  const mounts = container?.mounts ?? [];
  const image = container?.image ?? '';
  const refusals: readonly (readonly [boolean, string])[] = [
    [executable !== undefined, 'runs a program on this machine'],
    [inheritedEnvironment.length > 0, "takes variables of this machine's environment"],
    [container?.network === 'bridge' && !policy.allowNetwork, 'uses the network'],
    [
      mounts.some(({ source }) => !policy.allowVolumeMount || !within(source)),
      'mounts folders of this machine',
    ],
    [allowedImages.length > 0 && !allowedImages.includes(image), `uses the image ${image}`],
    [policy.requireApproval, 'needs the approval that its session asks for'],
  ];
  const refusal = refusals.find(([isRefused]) => isRefused)?.[1];
  if (refusal === undefined) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `The task ${refusal}, which the session "${name}" does not allow. A person has to agree to it.`,
  );
}
