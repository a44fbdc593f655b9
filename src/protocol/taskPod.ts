import * as z from 'zod/mini';
import { OrchestratorError } from '../base/errors.ts';

/**
 * The pod of a manifest: as much of Kubernetes' v1 Pod as tasks use (contract 000, section 4). What we do not carry
 * out is refused where leaving it out would change what the task does, and otherwise ignored.
 */

const quantity = z.union([z.string(), z.number()]);
/** What we do not do, unless it says that it is not to be done. */
const refused = (what: string) => z.optional(z.literal(false, what));

export const pod = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  spec: z.object({
    containers: z
      .array(
        z.object({
          name: z.string(),
          image: z.string(),
          command: z.optional(z.array(z.string())),
          args: z.optional(z.array(z.string())),
          workingDir: z.optional(z.string()),
          env: z.optional(z.array(z.object({ name: z.string(), value: z.optional(z.string()) }))),
          ports: z.optional(z.array(z.object({ containerPort: z.int() }))),
          volumeMounts: z.optional(
            z.array(z.object({ name: z.string(), mountPath: z.string(), readOnly: z.optional(z.boolean()) })),
          ),
          envFrom: z.optional(z.array(z.unknown()).check(z.maxLength(0, 'envFrom is not understood'))),
          securityContext: z.optional(z.object({ privileged: refused('privileged is not given to tasks') })),
          resources: z.optional(
            z.object({
              limits: z.optional(z.object({ cpu: z.optional(quantity), memory: z.optional(quantity) })),
            }),
          ),
        }),
      )
      .check(z.length(1, 'must name exactly one container')),
    volumes: z.optional(
      z.array(
        z.object({
          name: z.string(),
          hostPath: z.optional(z.object({ path: z.string(), type: z.optional(z.string()) })),
        }),
      ),
    ),
    initContainers: z.optional(
      z.array(z.unknown()).check(z.maxLength(0, 'initContainers are not understood')),
    ),
    hostNetwork: refused('host network is not given to tasks'),
    hostPID: refused('processes of the host are not given to tasks'),
    hostIPC: refused('IPC of the host is not given to tasks'),
  }),
});

/** @throws OrchestratorError `invalid_request` */
export function containerOfPod(source: z.infer<typeof pod>, taskId: string) {
  const [container] = source.spec.containers;
  if (container === undefined) throw invalidPod('it names no container');
  if (container.name !== `user-${taskId}`) {
    throw invalidPod(`its container must be called "user-${taskId}", not "${container.name}"`);
  }
  const { cpu, memory } = container.resources?.limits ?? {};
  const environment: Record<string, string> = {};
  for (const { name, value } of container.env ?? []) {
    if (value === undefined) throw invalidPod(`the variable ${name} has no plain value`);
    environment[name] = value;
  }
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => {
    const volume = (source.spec.volumes ?? []).find((candidate) => candidate.name === name);
    if (volume?.hostPath === undefined) {
      throw invalidPod(`its container mounts "${name}", but no volume of that name has a hostPath`);
    }
    const { path, type } = volume.hostPath;
    const isMade = type === 'DirectoryOrCreate';
    return { source: path, target: mountPath, isReadOnly: readOnly ?? false, isMade };
  });
  return {
    environment,
    container: {
      image: container.image,
      entrypoint: container.command,
      command: container.args,
      workingDirectory: container.workingDir,
      podPort: container.ports?.[0]?.containerPort,
      mounts,
      cpus: cpu === undefined ? undefined : cpusOf(String(cpu)),
      memoryBytes: memory === undefined ? undefined : bytesOf(String(memory)),
    },
  };
}

/** `0.5`, or `500m` for thousandths. */
function cpusOf(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(m?)$/.exec(text) ?? [];
  const cpus = Number(digits) / (unit === 'm' ? 1_000 : 1);
  if (!(cpus > 0)) throw invalidPod(`its limit of processors, ${text}, is not understood`);
  return cpus;
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

function bytesOf(text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * (units[unit] ?? Number.NaN));
  if (!(bytes > 0)) throw invalidPod(`its limit of memory, ${text}, is not understood`);
  return bytes;
}

function invalidPod(what: string): OrchestratorError {
  return new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    `The pod of the task's manifest is not valid: ${what}.`,
  );
}
