import type { CoreContext } from '../context.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import type { ContainerTaskPlaces } from '../ports/containerTasks.ts';
import type { Run } from '../runs/run.ts';
import type { ContainerTask, ContainerTaskManifest } from './containerTask.ts';
import { type ContainerTaskSpec, containerTaskWorkerKind } from './containerTaskSpec.ts';
import type { TaskContainers } from './taskContainers.ts';
import { taskEnvironment } from './taskEnvironment.ts';

/** What the worker of one execution is started with. Values of the environment stand in `env` alone. */
export async function taskWorker(
  task: ContainerTask,
  run: Run,
  parts: {
    readonly context: CoreContext;
    readonly places: ContainerTaskPlaces;
    readonly containers: TaskContainers;
  },
): Promise<Omit<StartWorkerOptions, 'id'>> {
  const { context, places, containers } = parts;
  const { manifest } = task;
  const hosts =
    manifest.container === undefined
      ? { listenHosts: ['127.0.0.1'], advertisedHost: '127.0.0.1' }
      : await containers.hostsFor(manifest.container);
  const spec: ContainerTaskSpec = {
    runId: run.id,
    taskId: task.id,
    taskName: task.name,
    title: taskTitle(manifest),
    paths: await places.prepare(task.id),
    ...hosts,
    executable: manifest.executable ?? null,
    wantsContainer: manifest.container !== undefined,
    environmentNames: [...Object.keys(manifest.environment), ...manifest.inheritedEnvironment],
    cwd: run.request.cwd ?? context.environment.defaultDirectory(),
    timeoutMs: manifest.timeoutMs ?? null,
    publicApi: manifest.publicApi,
    platform: context.environment.platform,
  };
  return { kind: containerTaskWorkerKind, spec, env: taskEnvironment(manifest, context) };
}

/** What its one step is called, in a list and in the panel. */
export function taskTitle({ executable, container }: ContainerTaskManifest): string {
  if (executable?.type === 'node') return ['node', executable.file, ...executable.args].join(' ');
  if (executable?.type === 'command') return executable.command.join(' ');
  return [container?.image ?? '', ...(container?.command ?? [])].join(' ');
}
