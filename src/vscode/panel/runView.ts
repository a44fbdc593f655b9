import { failureOf } from '../../core/containerTasks/taskFailures.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import { backendNameOf } from '../../core/runs/backendRuns.ts';
import { codingAgentOf } from '../../core/runs/codingAgents.ts';
import { agentNameOf, type Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type {
  ContainerTaskView,
  HistoryEntry,
  RunView,
  SessionChoice,
  StepView,
} from '../../protocol/runPanel.ts';
import { isActive, runLabel } from '../views/describe.ts';
import { baseName, shortPath } from '../views/format.ts';
import { outputSourceOf } from './outputSource.ts';

export interface RunViewInput {
  readonly run: Run;
  readonly sessionName: string;
  /** Absolute path of the shell, once a terminal of the run is there. */
  readonly shell: string | undefined;
  readonly cwd: string;
  readonly home: string;
  /** Why steps are told apart without marks. */
  readonly notice: string | undefined;
  readonly containerTask: ContainerTaskView | undefined;
  /** Its events can be read. */
  readonly hasLog: boolean;
}

/** A model, a coding agent or a backend carries it out: its events tell what it says and does, where they can be read. */
export function hasStory({ request }: Pick<Run, 'request'>): boolean {
  return (
    request.engine === 'model' || codingAgentOf(request) !== undefined || backendNameOf(request) !== undefined
  );
}

/** A run as the panel shows it. */
export function toRunView(input: RunViewInput): RunView {
  const { run, sessionName, shell, cwd, home, notice, containerTask, hasLog } = input;
  const { startedAt, endedAt, error, usage } = run;
  const { tools } = run.request;
  const isOfTask = run.request.containerTaskId !== undefined;
  const { engine = isOfTask ? 'container task' : 'shell' } = run.request;
  return {
    id: run.id,
    task: run.request.task,
    status: run.status,
    isAborting: run.isAborting,
    sessionId: run.sessionId,
    sessionName,
    engine,
    // An agent has one of its own, or none; a container task has a program.
    shell:
      agentNameOf(run.request) === undefined && !isOfTask && !hasStory(run) && engine !== 'container'
        ? baseName(shell ?? run.request.shell ?? 'default shell')
        : '',
    cwd: shortPath(cwd, home),
    createdAt: run.createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    steps: run.steps.map((step) => toStepView(run, step)),
    ...(notice === undefined ? {} : { notice }),
    ...(error === undefined ? {} : { error: error.message }),
    ...(containerTask === undefined ? {} : { containerTask }),
    hasStory: hasLog && hasStory(run),
    canReplay: hasLog && !isOfTask,
    ...(usage === undefined ? {} : { usage }),
    ...(tools?.mode === 'custom'
      ? { tools: { providers: [...(tools.providers ?? [])], tools: [...(tools.tools ?? [])] } }
      : {}),
  };
}

/** What its run tells of a container task, and what is known of the task now. Undefined of any other run. */
export function toContainerTaskView(
  run: Run,
  { containers, containerTasks, events }: Pick<LiveOrchestrator, 'containers' | 'containerTasks' | 'events'>,
): ContainerTaskView | undefined {
  const { containerTaskId: taskId } = run.request;
  if (taskId === undefined) return undefined;
  const { progress, message, errors = 0, containerId } = run.taskReport ?? {};
  const task = containerTasks?.find(taskId);
  const isNewest = task?.runId === undefined || task.runId === run.id;
  const retryAt = isNewest && task?.state === 'waiting' ? task.nextStartAt : undefined;
  const why = isActive(run) ? undefined : failureOf(run);
  return {
    taskId,
    program: task?.manifest.container?.image ?? run.steps[0]?.command ?? '',
    ...(progress === undefined ? {} : { progress }),
    ...(message === undefined ? {} : { message }),
    errors,
    ...(why === undefined || why === run.error?.message ? {} : { why }),
    hasOutput: containerId !== undefined && containers !== undefined,
    ...(retryAt === undefined ? {} : { retry: { number: task?.failures ?? 0, at: retryAt } }),
    ...(isNewest ? {} : { newerRunId: task.runId }),
    isLogAway: events.read === undefined,
  };
}

function toStepView(run: Run, step: Run['steps'][number]): StepView {
  const { startedAt, durationMs, exitCode, output, progress } = step;
  const source = outputSourceOf(run, step);
  return {
    index: step.index,
    command: step.command,
    status: step.status,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(output === undefined ? {} : { terminalId: output.terminalId }),
    ...(progress === undefined ? {} : { progress }),
    outputBytes: source === undefined ? 0 : source.to - source.from,
  };
}

export function toHistoryEntry(run: Run, sessionName: string): HistoryEntry {
  const durationMs =
    run.startedAt === undefined || run.endedAt === undefined ? undefined : run.endedAt - run.startedAt;
  return {
    id: run.id,
    task: runLabel(run, 120),
    status: run.status,
    createdAt: run.createdAt,
    ...(durationMs === undefined ? {} : { durationMs }),
    sessionName,
    engine: run.request.engine ?? (run.request.containerTaskId === undefined ? 'shell' : 'container task'),
  };
}

export function toSessionChoice({ id, name, cwd }: Session, home: string): SessionChoice {
  return { id, name, cwd: shortPath(cwd, home) };
}

/** Title of the run's tab. */
export function panelTitle(run: Run | undefined): string {
  return run === undefined ? 'New run' : runLabel(run, 40);
}
