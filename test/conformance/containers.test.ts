import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Health, Status } from '../../src/protocol/gen/common/v1/common.ts';
import {
  ContainerConfig,
  ContainerFilter,
  ContainerState,
  CreateSessionRequest,
  MountType,
  OrchestratorServiceDefinition,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { testImage } from '../harness/testImage.ts';
import { ServedCore } from '../harness/servedCore.ts';

let engine: TestEngine;
let served: ServedCore;
let service: RpcClient<typeof OrchestratorServiceDefinition>;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(() => engine[Symbol.asyncDispose]());
beforeEach(async () => {
  served = await new ServedCore({ engine: engine.client() }).start();
  service = (await served.connect()).service(OrchestratorServiceDefinition);
});
afterEach(async () => {
  for (const { id } of served.core.sessions.list()) await served.core.sessions.close(id);
  await served[Symbol.asyncDispose]();
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

type SessionConfig = NonNullable<Parameters<typeof CreateSessionRequest.fromPartial>[0]['config']>;

async function open(config: SessionConfig = {}): Promise<string> {
  const request = CreateSessionRequest.fromPartial({ metadata: { name: 'x' }, config });
  return (await service.createSession(request)).sessionId;
}
const sleeping = ContainerConfig.fromPartial({ image: testImage, command: ['sleep'], args: ['60'] });

describe('the containers of OrchestratorService', () => {
  it('are made, run, are listed, stop and go', async () => {
    const sessionId = await open();
    const config = {
      ...sleeping,
      env: { SECRET: 'sesame' },
      labels: { team: 'a' },
      restartPolicy: { name: 'on-failure', maximumRetryCount: 2, timeoutNs: 0n },
    };
    const { containerId, container } = await service.createContainer({ sessionId, config });
    expect(container).toMatchObject({
      id: containerId,
      image: testImage,
      state: ContainerState.CONTAINER_STATE_RUNNING,
      status: Status.STATUS_RUNNING,
      health: Health.HEALTH_UNKNOWN,
      sessionId,
      config: { command: ['sleep'], args: ['60'], env: { SECRET: 'sesame' }, networkMode: 'none' },
    });
    expect(engine.docker('ps', '--quiet', '--no-trunc')).toBe(containerId);
    const found = await service.getContainer({ containerId });
    expect(found.container).toMatchObject({
      config: { env: { SECRET: '' }, restartPolicy: { name: 'on-failure' } },
    });
    const listed = async (filter: Parameters<typeof ContainerFilter.fromPartial>[0]) =>
      (await service.listContainers({ filter: ContainerFilter.fromPartial(filter) })).containers.map(
        ({ id }) => id,
      );
    expect(await listed({ sessionId, labels: { team: 'a' } })).toEqual([containerId]);
    expect(await listed({ labels: { team: 'b' } })).toEqual([]);
    expect(await service.getStatus({})).toMatchObject({ activeContainers: 1 });
    const { session } = await service.getSession({ sessionId });
    expect(session?.containerIds).toEqual([containerId]);
    await expect(service.removeContainer({ containerId, force: false })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(await service.stopContainer({ containerId, timeoutNs: 1_000_000n })).toEqual({
      containerId,
      state: ContainerState.CONTAINER_STATE_EXITED,
    });
    expect(await service.removeContainer({ containerId, force: false })).toEqual({ containerId });
    await expect(service.getContainer({ containerId })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it("are held to their session's limits", async () => {
    const sessionId = await open({ maxContainers: 1, allowedImages: ['workbench-test'] });
    await expect(
      service.createContainer({ sessionId, config: { ...sleeping, image: 'other' } }),
    ).rejects.toMatchObject({ code: 'PERMISSION_DENIED', reason: 'image_not_allowed' });
    const { containerId } = await service.createContainer({ sessionId, config: sleeping });
    await expect(service.createContainer({ sessionId, config: sleeping })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'maximum containers limit reached: 1',
    });
    expect(await service.removeContainer({ containerId, force: true })).toEqual({ containerId });
    await service.closeSession({ sessionId, reason: '' });
    await expect(service.createContainer({ sessionId, config: sleeping })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'cannot add container to closed session',
    });
  });

  const folder = { type: MountType.MOUNT_TYPE_BIND, source: '/etc', target: '/x' };
  it.each([
    [{}, { networkMode: 'bridge' }],
    [{}, { networkMode: 'default' }],
    [{ allowNetwork: true }, { networkMode: 'host' }],
    [{ allowNetwork: true, allowedNetworks: ['a'] }, { networks: ['b'] }],
    [{}, { mounts: [folder] }],
    [{ allowVolumeMount: true }, { mounts: [folder] }],
    [{ allowVolumeMount: true, allowedPaths: ['/srv'] }, { mounts: [{ ...folder, source: '/srv/../etc' }] }],
    [{ requireApproval: true }, {}],
  ])('are refused by the policy %j: %j', async (policy, wanted) => {
    const sessionId = await open({ policy });
    const config = ContainerConfig.fromPartial({ image: testImage, ...wanted });
    await expect(service.createContainer({ sessionId, config })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      reason: 'policy_violation',
    });
  });

  it('get a path that the policy names', async () => {
    const sessionId = await open({ policy: { allowVolumeMount: true, allowedPaths: ['/etc/'] } });
    const config = ContainerConfig.fromPartial({ ...sleeping, mounts: [{ ...folder, readOnly: true }] });
    const { container } = await service.createContainer({ sessionId, config });
    expect(container?.config?.mounts).toMatchObject([folder]);
  });
});
