import { describe, expect, it } from 'vitest';
import {
  defaultSessionConfig,
  noPreferences,
  type Session,
  type SessionPolicy,
} from '../sessions/session.ts';
import { checkContainer } from './checkContainer.ts';
import type { ContainerConfig, ContainerMount } from './container.ts';
import { noContainerEngine } from './noContainerEngine.ts';

const config: ContainerConfig = {
  image: 'busybox',
  command: [],
  args: [],
  env: {},
  workingDir: '',
  labels: {},
  mounts: [],
  ports: [],
  networkMode: '',
  networks: [],
  readOnlyRootfs: false,
  removeOnStop: false,
};
const bind = (source: string): ContainerMount => ({ type: 'bind', source, target: '/x', readOnly: false });

function session(over: Partial<Session['config']>, state: Session['state'] = 'active'): Session {
  return {
    id: 's',
    name: 's',
    owner: 'user',
    type: 'container',
    state,
    cwd: '/',
    description: '',
    labels: {},
    tags: [],
    config: { ...defaultSessionConfig, ...over },
    preferences: noPreferences,
    taskHistory: [],
    createdAt: 1,
    updatedAt: 1,
    lastActiveAt: 1,
  };
}
const policy = (over: Partial<SessionPolicy>) => ({
  policy: {
    allowNetwork: true,
    allowedNetworks: [],
    allowVolumeMount: true,
    allowedPaths: [],
    requireApproval: false,
    ...over,
  },
});

describe('a container of a session', () => {
  it('is refused by its limits', () => {
    expect(() => checkContainer(session({}, 'closed'), config, 0)).toThrow(
      'cannot add container to closed session',
    );
    expect(() => checkContainer(session({ maxContainers: 2 }), config, 2)).toThrow(
      'maximum containers limit reached: 2',
    );
    expect(() => checkContainer(session({ allowedImages: ['python:3.11'] }), config, 0)).toThrow(
      'image not allowed in this session: busybox',
    );
    checkContainer(session({ maxContainers: 2, allowedImages: ['busybox'] }), config, 1);
    checkContainer(session({}), { ...config, mounts: [bind('/srv')], networks: ['any'] }, 1_000);
  });

  it.each<[Partial<SessionPolicy>, Partial<ContainerConfig>, boolean]>([
    [{ allowNetwork: false }, { networks: ['net'] }, false],
    [{ allowNetwork: false }, { networkMode: 'none' }, true],
    [{ allowedNetworks: ['a'] }, { networkMode: 'host' }, false],
    [{ allowedNetworks: ['a'] }, { networks: ['a'] }, true],
    [{ allowVolumeMount: false }, { mounts: [bind('/srv')] }, false],
    [{ allowVolumeMount: false }, { mounts: [{ ...bind(''), type: 'tmpfs' }] }, true],
    [{ allowedPaths: ['/srv/'] }, { mounts: [bind('/srv/a')] }, true],
    [{ allowedPaths: ['/srv'] }, { mounts: [bind('/srv')] }, true],
    [{ allowedPaths: ['/srv'] }, { mounts: [bind('/srvx')] }, false],
    [{ allowedPaths: ['/srv'] }, { mounts: [bind('/srv/../etc')] }, false],
  ])('keeps to the policy %j with %j: %s', (rules, wanted, isAllowed) => {
    const check = () => checkContainer(session(policy(rules)), { ...config, ...wanted }, 0);
    if (isAllowed) check();
    else expect(check).toThrow(expect.objectContaining({ code: 'PERMISSION_DENIED' }));
  });
});

it('without an engine every call says so', async () => {
  const refusal = { code: 'FAILED_PRECONDITION', reason: 'container_engine_missing' };
  await expect(noContainerEngine.create('s', config)).rejects.toMatchObject(refusal);
  await expect(noContainerEngine.list()).rejects.toMatchObject(refusal);
});
