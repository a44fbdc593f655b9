import { describe, expect, it } from 'vitest';
import type { ContainerTaskManifest } from '../core/containerTasks/containerTask.ts';
import { defaultRestartPolicy } from '../core/containerTasks/restartPolicy.ts';
import { OrchestratorError } from '../base/errors.ts';
import { parseContainerTaskManifest } from './containerTaskManifest.ts';

/** The types of both floors must stay the same: the core knows no schema. */
function parse(value: unknown): ContainerTaskManifest {
  return parseContainerTaskManifest(value, (path) => (path.startsWith('/') ? path : `/project/${path}`));
}

const pod = (container: object, spec: object = {}): unknown => ({
  id: 'task-001',
  name: 'Index',
  pod: {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: { containers: [{ name: 'user-task-001', image: 'example/agent', ...container }], ...spec },
  },
});

describe('the manifest of a container task', () => {
  it('takes the least there is, and fills in the rest', () => {
    expect(parse({ id: 'task-001', name: 'Index', image: 'python:3' })).toEqual({
      id: 'task-001',
      name: 'Index',
      requirements: [],
      executable: undefined,
      container: { image: 'python:3', network: 'bridge', podPort: 8080, mounts: [] },
      environment: {},
      inheritedEnvironment: [],
      restart: { ...defaultRestartPolicy, maxFailures: undefined },
      timeoutMs: undefined,
      publicApi: false,
    });
  });

  it("takes the node's own tag for tasks in containers, by both names", () => {
    const tags = [{ type: 'ADDON', value: 'ORCA_TASK' }];
    expect(parse({ id: 'a', name: 'A', image: 'x', requirements: tags }).requirements).toEqual(tags);
    expect(parse({ id: 'a', name: 'A', image: 'x', requirementsTags: tags }).requirements).toEqual(tags);
  });

  it('resolves paths against the manifest', () => {
    const manifest = parse({
      id: 'a',
      name: 'A',
      executable: 'task.js',
      container: { image: 'x', mounts: [{ source: 'data', target: '/data' }] },
    });
    expect(manifest.executable).toEqual({ type: 'node', file: '/project/task.js', args: [] });
    expect(manifest.container?.mounts).toEqual([
      { source: '/project/data', target: '/data', isReadOnly: false, isMade: false },
    ]);
  });

  it("carries a pod over: environment, mounts, limits and the container's port", () => {
    const manifest = parse(
      pod(
        {
          args: ['--fast'],
          env: [{ name: 'MODE', value: 'x' }],
          ports: [{ containerPort: 9000 }],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
          resources: { limits: { cpu: '500m', memory: '256Mi' } },
        },
        {
          volumes: [{ name: 'data', hostPath: { path: '/srv/data', type: 'DirectoryOrCreate' } }],
          hostAliases: [],
        },
      ),
    );
    expect(manifest.environment).toEqual({ MODE: 'x' });
    expect(manifest.container).toMatchObject({
      image: 'example/agent',
      command: ['--fast'],
      podPort: 9000,
      cpus: 0.5,
      memoryBytes: 268_435_456,
      mounts: [{ source: '/srv/data', target: '/data', isMade: true }],
    });
  });

  it.each([
    ['a misspelt name', { id: 'a', name: 'A', image: 'x', memroy: 1 }, /memroy/],
    ['an id that cannot be a folder', { id: '../a', name: 'A', image: 'x' }, /id: must be/],
    ['nothing to run', { id: 'a', name: 'A' }, /neither an executable nor an image/],
    ['two containers', { id: 'a', name: 'A', image: 'x', container: { image: 'y' } }, /more than one of/],
    ['no object', 'text', /it must be an object/],
    ['a volume that is not declared', pod({ volumeMounts: [{ name: 'd', mountPath: '/d' }] }), /mounts "d"/],
    ['a value from elsewhere', pod({ env: [{ name: 'KEY' }] }), /variable KEY/],
    ['another name for its container', pod({ name: 'agent' }), /must be called "user-task-001"/],
    ['the host network', pod({}, { hostNetwork: true }), /host network/],
    ["the host's processes", pod({}, { hostPID: true }), /processes of the host/],
    ['another container first', pod({}, { initContainers: [{ name: 'a' }] }), /initContainers/],
    ['all rights', pod({ securityContext: { privileged: true } }), /privileged/],
  ])('refuses %s, and says so', (_name, value, message) => {
    expect(() => parse(value)).toThrow(message);
  });

  it('says where it is wrong', () => {
    const placeOf = (value: unknown): unknown => {
      try {
        return parse(value);
      } catch (error) {
        return OrchestratorError.from(error).details?.['place'];
      }
    };
    const base = { id: 'a', name: 'A' };
    expect(placeOf({ ...base, container: { image: 'x', cpus: -1 } })).toEqual(['container', 'cpus']);
    expect(placeOf({ ...base, container: { image: 'x', memory: 5 } })).toEqual(['container', 'memory']);
    expect(placeOf({ id: 'a', image: 'x' })).toEqual(['name']);
    expect(placeOf(base)).toEqual([]);
  });
});
