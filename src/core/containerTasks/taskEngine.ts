import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import type { ContainerTaskPlaces } from '../ports/containerTasks.ts';
import type { Run } from '../runs/run.ts';
import type { ContainerTask, ContainerTaskManifest } from './containerTask.ts';
import { type ContainerTaskSpec, containerTaskWorkerKind } from './containerTaskSpec.ts';
import type { TaskContainers } from './taskContainers.ts';

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

/** What no program can do without, what is declared, and what is declared to be passed on. Error: `invalid_request`. */
function taskEnvironment(
  manifest: ContainerTaskManifest,
  { environment }: CoreContext,
): Record<string, string> {
  const all = environment.childEnvironment();
  const env: Record<string, string> = {};
  for (const name of ['PATH', 'LANG', 'SystemRoot', 'TEMP']) {
    if (all[name] !== undefined) env[name] = all[name];
  }
  for (const name of manifest.inheritedEnvironment) {
    const value = all[name];
    if (value === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `The task "${manifest.name}" takes the variable ${name} from the environment, and it is not set there.`,
      );
    }
    env[name] = value;
  }
  return { ...env, ...manifest.environment };
}
