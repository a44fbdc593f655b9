import * as vscode from 'vscode';
import type { AgentStatus } from '../../core/agents/agent.ts';
import type { Container } from '../../core/containers/container.ts';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import type { Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { AgentTask } from '../../core/tasks/task.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { commandIds } from '../contributions/ids.ts';
import { runCommands, runOutcome, terminalName, terminalState } from './describe.ts';
import { containerFields } from './describeContainer.ts';
import { describeTask } from './agentRows.ts';
import { describeContainerTask } from './containerTaskRows.ts';
import { formatBytes, formatDuration, formatMetrics, formatTime, oneLine, shortPath } from './format.ts';
import type { Row } from './rows.ts';

export interface TooltipSource {
  readonly orchestrator: LiveOrchestrator;
  readonly home: string;
  readonly foreground: ReadonlyMap<string, string>;
  /** What a container uses right now, as far as it was measured. */
  readonly usage?: ((containerId: string) => ResourceUsage | undefined) | undefined;
}

/** The whole story of a row, made when somebody hovers. */
export async function rowTooltip(
  row: Row,
  source: TooltipSource,
): Promise<vscode.MarkdownString | undefined> {
  switch (row.kind) {
    case 'session': {
      const session = source.orchestrator.sessions.find(row.targetId);
      return session === undefined ? undefined : sessionTooltip(session, source);
    }
    case 'run': {
      const run = source.orchestrator.runs.find(row.targetId);
      return run === undefined ? undefined : runTooltip(run, source);
    }
    case 'terminal': {
      const terminal = source.orchestrator.terminals.find(row.targetId);
      return terminal === undefined ? undefined : await terminalTooltip(terminal, source);
    }
    case 'container': {
      const container = source.orchestrator.containers?.find(row.targetId);
      return container === undefined ? undefined : containerTooltip(container, source);
    }
    case 'agent': {
      const { agents } = source.orchestrator;
      return agents?.find(row.targetId) === undefined ? undefined : agentTooltip(agents.status(row.targetId));
    }
    case 'task': {
      const task = source.orchestrator.tasks?.find(row.targetId);
      return task === undefined ? undefined : taskTooltip(task, source);
    }
    case 'containerTask': {
      const task = source.orchestrator.containerTasks?.find(row.targetId);
      return task === undefined ? undefined : containerTaskTooltip(task, source);
    }
    case 'day':
    case 'more':
    case 'waiting':
    case 'remote':
      return undefined;
  }
}

function sessionTooltip(session: Session, { home }: TooltipSource): vscode.MarkdownString {
  const now = Date.now();
  return table(session.name, session.id, [
    ['State', session.state],
    ['Owner', session.owner],
    ['Folder', shortPath(session.cwd, home)],
    ['Created', formatTime(session.createdAt, now)],
    ['Last active', formatTime(session.lastActiveAt, now)],
  ]);
}

function runTooltip(run: Run, { orchestrator }: TooltipSource): vscode.MarkdownString {
  const now = Date.now();
  const steps = runCommands(run).slice(0, 12);
  const more = runCommands(run).length - steps.length;
  const tooltip = table(oneLine(runCommands(run)[0] ?? run.request.task, 80), run.id, [
    ['State', run.status === 'running' ? `running, ${runOutcome(run)}` : runOutcome(run)],
    ['Session', orchestrator.sessions.find(run.sessionId)?.name ?? 'closed'],
    ['Started', formatTime(run.startedAt ?? run.createdAt, now)],
    ...(run.startedAt !== undefined && run.endedAt !== undefined
      ? ([['Took', formatDuration(run.endedAt - run.startedAt)]] as const)
      : []),
    ...(run.error === undefined ? [] : ([['Why', run.error.message]] as const)),
  ]);
  if (steps.length > 1) {
    tooltip.appendCodeblock(steps.map((step) => oneLine(step, 100)).join('\n'), 'shellscript');
    if (more > 0) tooltip.appendText(`and ${more} more`);
  }
  return tooltip;
}

function agentTooltip({
  agent,
  activeTasks,
  lastSeenAt,
  isConnected,
  resources,
}: AgentStatus): vscode.MarkdownString {
  const now = Date.now();
  const { capabilities, version, hostname, pid } = agent;
  const given = ([, value]: Field): boolean => value !== '';
  const uses =
    resources === undefined
      ? ''
      : `${Math.round(resources.cpuPercent)} % of a processor, ${formatBytes(resources.memoryUsage)}`;
  const fields: Field[] = [
    ['State', agent.state === 'lost' ? 'lost' : `online${isConnected ? ', its stream is open' : ''}`],
    ['Tasks', `${activeTasks.length} of at most ${capabilities.maxConcurrentTasks}`],
    ['Can do', capabilities.tasks.join(', ')],
    ['Tools', capabilities.tools.join(', ')],
    ['Description', agent.description],
    ['Version', version],
    ['Host', [hostname, ...(pid === '' ? [] : [`process ${pid}`])].join(', ')],
    ['Owner', agent.owner],
    ['Registered', formatTime(agent.registeredAt, now)],
    ['Last heard of', formatTime(lastSeenAt, now)],
    ['Uses', uses],
  ];
  return table(agent.name, agent.id, fields.filter(given));
}

function taskTooltip(task: AgentTask, { orchestrator }: TooltipSource): vscode.MarkdownString {
  const now = Date.now();
  const { maxRetries, retryOnFailure } = task.config;
  const attempts = retryOnFailure ? `${task.attempt} of at most ${maxRetries + 1}` : String(task.attempt);
  return table(oneLine(task.config.command, 200), task.id, [
    ['State', describeTask(task, now)],
    ['Session', orchestrator.sessions.find(task.sessionId)?.name ?? 'closed'],
    ['Attempt', attempts],
    ['Created', formatTime(task.createdAt, now)],
    ...(task.expiresAt === undefined ? [] : ([['Must end by', formatTime(task.expiresAt, now)]] as const)),
    ...(task.error === undefined ? [] : ([['Why', task.error.message]] as const)),
  ]);
}

function containerTaskTooltip(task: ContainerTask, { orchestrator }: TooltipSource): vscode.MarkdownString {
  const now = Date.now();
  const run = task.runId === undefined ? undefined : orchestrator.runs.find(task.runId);
  const { taskReport } = run ?? {};
  const { container, executable } = task.manifest;
  const { result } = taskReport ?? {};
  const program =
    executable === undefined
      ? []
      : [executable.type === 'node' ? executable.file : executable.command.join(' ')];
  const fields: Field[] = [
    ['State', describeContainerTask({ task, run }, now)],
    ['Session', orchestrator.sessions.find(task.sessionId)?.name ?? 'closed'],
    ...program.map((text) => ['Program', oneLine(text, 200)] as const),
    ...(container === undefined
      ? []
      : ([
          ['Image', container.image],
          ['Network', container.network],
        ] as const)),
    ['Failures in a row', String(task.failures)],
    [
      'Callbacks',
      taskReport === undefined ? 'none yet' : `${taskReport.callbacks}, errors ${taskReport.errors}`,
    ],
    ...(result === undefined
      ? []
      : ([
          ['Result', [result.status, result.error].filter((part) => part !== undefined).join(': ')],
        ] as const)),
    ...(run === undefined ? [] : ([['Started', formatTime(run.startedAt ?? run.createdAt, now)]] as const)),
    ...(task.error === undefined ? [] : ([['Why', task.error]] as const)),
  ];
  return table(oneLine(task.name, 80), task.id, fields);
}

async function terminalTooltip(terminal: Terminal, source: TooltipSource): Promise<vscode.MarkdownString> {
  const now = Date.now();
  const metrics = await source.orchestrator.terminalSessions
    .getTerminalMetrics(terminal.id)
    // A tooltip without them is still a tooltip.
    .catch(() => undefined);
  const tooltip = table(terminalName(terminal), terminal.id, [
    ['State', terminalState(terminal, source.foreground.get(terminal.id), now)],
    ['Owner', terminal.managedBy ?? 'you'],
    ['Program', [terminal.shell, ...terminal.args].join(' ')],
    ['Folder', shortPath(terminal.cwd, source.home)],
    ...(terminal.pid > 0 ? ([['Process', String(terminal.pid)]] as const) : []),
    ['Size', `${terminal.cols} × ${terminal.rows}`],
    ['Started', formatTime(terminal.createdAt, now)],
    ...(metrics === undefined ? [] : ([['Uses', formatMetrics(metrics)]] as const)),
  ]);
  const last = await lastLine(terminal, source.orchestrator);
  if (last !== '') tooltip.appendCodeblock(last, 'text');
  return tooltip;
}

function containerTooltip(container: Container, { usage }: TooltipSource): vscode.MarkdownString {
  const fields = containerFields(container, usage?.(container.id), Date.now());
  return table(container.name, container.id, fields);
}

async function lastLine(terminal: Terminal, orchestrator: LiveOrchestrator): Promise<string> {
  try {
    const { text } = await orchestrator.terminals.snapshot(terminal.id, { scrollback: 0 });
    return oneLine(text.split('\n').findLast((line) => line.trim() !== '') ?? '', 120);
  } catch {
    // A tooltip without its last line is still a tooltip.
    return '';
  }
}

type Field = readonly [name: string, value: string];

function table(title: string, id: string, fields: readonly Field[]): vscode.MarkdownString {
  const tooltip = new vscode.MarkdownString(undefined, true);
  tooltip.isTrusted = { enabledCommands: [commandIds.copyId] };
  tooltip.appendMarkdown('**').appendText(title).appendMarkdown('**\n\n');
  for (const [name, value] of fields) {
    tooltip.appendMarkdown(`${name}: `).appendText(value).appendMarkdown('  \n');
  }
  const argument = encodeURIComponent(JSON.stringify([id]));
  tooltip.appendMarkdown(`\n\n[$(copy) Copy ID](command:${commandIds.copyId}?${argument} "${id}")\n\n`);
  return tooltip;
}
