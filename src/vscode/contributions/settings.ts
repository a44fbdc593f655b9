import { type SettingId, settingIds as s } from './ids.ts';
import type { SettingGroup } from './settingSchema.ts';
import { tools } from './toolSettings.ts';

const terminal: SettingGroup = {
  [s.terminalShell]: {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    order: 1,
    markdownDescription:
      'Program that a new Orchestrator terminal starts: an absolute path, or a name that is found on the `PATH`. Empty starts your login shell.',
  },
  [s.terminalOnClose]: {
    type: 'string',
    default: 'ask',
    scope: 'window',
    order: 2,
    enum: ['ask', 'kill', 'keep'],
    enumItemLabels: ['Ask', 'Kill', 'Keep running'],
    markdownEnumDescriptions: [
      'An idle shell ends. When a program runs in it, the terminal goes on and a notification offers to kill it.',
      'The terminal and everything that runs in it ends.',
      'The terminal goes on without a tab. Attach to it again from the Orchestrator view.',
    ],
    markdownDescription:
      'What closing the tab of an Orchestrator terminal does. Reloading or closing the window always keeps terminals running, and so does closing the tab of a terminal that an agent or a run owns.',
  },
  [s.terminalReopen]: {
    type: 'boolean',
    default: true,
    scope: 'window',
    order: 3,
    markdownDescription:
      'Open the Orchestrator terminals that were open when the window was reloaded or closed. They keep running either way.',
  },
  [s.terminalScrollback]: {
    type: 'integer',
    default: 5_000,
    minimum: 0,
    maximum: 100_000,
    scope: 'window',
    order: 4,
    markdownDescription:
      'Lines above the screen that are shown again when a terminal is attached. How many the tab itself keeps is set by `#terminal.integrated.scrollback#`.',
  },
  [s.terminalRecordLimit]: {
    type: 'integer',
    default: 32,
    minimum: 1,
    maximum: 4_096,
    scope: 'machine-overridable',
    order: 5,
    markdownDescription:
      'MiB of output that are kept on disk of each terminal; the oldest output is dropped first. Applies to terminals that are started after the change.',
  },
  [s.terminalIntegration]: {
    type: 'boolean',
    default: true,
    scope: 'machine-overridable',
    order: 6,
    markdownDescription:
      'Interactive shells (bash, zsh, fish, sh) mark where each command begins and ends, after reading your own start-up files. Agents need it to wait for a command. Takes effect after a reload, for new terminals.',
  },
  [s.terminalMaxPerOwner]: {
    type: 'integer',
    default: 256,
    minimum: 0,
    maximum: 10_000,
    scope: 'machine-overridable',
    order: 7,
    markdownDescription:
      'Terminals that an agent, with all agents below it, may have at a time. 0 sets no limit.',
  },
  [s.terminalIdleTimeout]: {
    type: 'integer',
    default: 0,
    minimum: 0,
    maximum: 100_000,
    scope: 'machine-overridable',
    order: 8,
    markdownDescription:
      'Minutes without output after which a terminal of an agent is ended. Your own terminals and those of runs are never ended for that. 0 sets no limit.',
  },
  [s.terminalKeepEnded]: {
    type: 'integer',
    default: 14,
    minimum: 0,
    maximum: 3_650,
    scope: 'machine-overridable',
    order: 9,
    markdownDescription:
      'Days after which an ended terminal and its output are deleted. Those of runs stay with their run. 0 keeps them.',
  },
  [s.terminalEndedQuota]: {
    type: 'integer',
    default: 1_024,
    minimum: 0,
    maximum: 1_048_576,
    scope: 'machine-overridable',
    order: 10,
    markdownDescription:
      'MiB of output that are kept of all ended terminals together; the oldest are deleted first. Those of runs stay with their run. 0 sets no limit.',
  },
  [s.terminalCpuThreshold]: {
    type: 'integer',
    default: 0,
    minimum: 0,
    maximum: 100_000,
    scope: 'machine-overridable',
    order: 11,
    markdownDescription:
      'Percent of one processor at which a terminal reports what it uses, as a `terminal.threshold` event. 0 never.',
  },
  [s.terminalMemoryThreshold]: {
    type: 'integer',
    default: 0,
    minimum: 0,
    maximum: 16_777_216,
    scope: 'machine-overridable',
    order: 12,
    markdownDescription:
      'MiB of memory of all processes of a terminal at which it reports that, as a `terminal.threshold` event. 0 never.',
  },
};

const run: SettingGroup = {
  [s.containersKeepEnded]: {
    type: 'integer',
    default: 14,
    minimum: 0,
    maximum: 3_650,
    scope: 'machine-overridable',
    order: 40,
    markdownDescription:
      'Days after which an ended container is removed, with what it has written and its output. The event log names each of them. 0 keeps them. Takes effect after a reload.',
  },
  [s.containersEndedQuota]: {
    type: 'integer',
    default: 1_024,
    minimum: 0,
    maximum: 1_048_576,
    scope: 'machine-overridable',
    order: 41,
    markdownDescription:
      'MiB of output that are kept of all ended containers together; the oldest is let go of first, and its container stays. 0 sets no limit. Takes effect after a reload.',
  },
  [s.containersWarm]: {
    type: 'integer',
    default: 0,
    minimum: 0,
    maximum: 8,
    scope: 'machine-overridable',
    order: 42,
    markdownDescription:
      'Containers that are kept started and paused for the next execution of each container task, which then begins in a tenth of the time. Each takes some memory, and is removed after ten minutes without use. 0 keeps none. Takes effect after a reload.',
  },
  [s.runShell]: {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    order: 1,
    markdownDescription:
      'Shell that runs the commands of a task: an absolute path, or a name that is found on the `PATH`. Steps are told apart best in bash, zsh and sh. Empty uses your login shell.',
  },
  [s.runOpenIn]: {
    type: 'string',
    default: 'editor',
    scope: 'window',
    order: 2,
    enum: ['editor', 'panel', 'none'],
    enumItemLabels: ['Editor', 'Panel', 'None'],
    markdownEnumDescriptions: [
      'A tab of its own in the editor area.',
      'The Run view in the bottom panel.',
      'A started run opens nothing; it shows in the Orchestrator view.',
    ],
    markdownDescription: 'Where a run is shown when it is started.',
  },
  [s.runMaxConcurrent]: {
    type: 'integer',
    default: 8,
    minimum: 1,
    maximum: 64,
    scope: 'machine-overridable',
    order: 3,
    markdownDescription: 'Runs at the same time; further ones wait in a queue.',
  },
  [s.runTimeout]: {
    type: 'number',
    default: 0,
    minimum: 0,
    maximum: 10_080,
    scope: 'window',
    order: 4,
    markdownDescription: 'Minutes after which a run is ended as timed out. 0 sets no limit.',
  },
};

const containers: SettingGroup = {
  [s.containersEngine]: {
    type: 'string',
    default: '',
    scope: 'machine',
    order: 1,
    markdownDescription:
      'Address of the container engine, Docker or Podman: `unix:///run/user/1000/podman/podman.sock`, `npipe:////./pipe/docker_engine`, `ssh://me@host`, `tcp://127.0.0.1:2375`. Empty finds it as `docker` does: `DOCKER_HOST`, the Docker context, the usual sockets. A workspace cannot set it. Once an engine is connected, takes effect after a reload.',
  },
};

const notifications: SettingGroup = {
  [s.notifyFailed]: {
    type: 'boolean',
    default: true,
    scope: 'window',
    order: 1,
    markdownDescription: 'Notify when a run fails or times out while it is not in view.',
  },
  [s.notifyFinished]: {
    type: 'boolean',
    default: true,
    scope: 'window',
    order: 2,
    markdownDescription:
      'Notify when a run succeeds while the window does not have the focus, if it took longer than `#orchestrator.notifications.runFinishedAfterSeconds#`.',
  },
  [s.notifyFinishedAfter]: {
    type: 'integer',
    default: 30,
    minimum: 0,
    maximum: 86_400,
    scope: 'window',
    order: 3,
    markdownDescription: 'Seconds that a run must take before its success is worth a notification.',
  },
  [s.notifyContainerTasks]: {
    type: 'string',
    default: 'errorsAndResults',
    scope: 'window',
    order: 4,
    enum: ['errorsAndResults', 'errors', 'none'],
    enumItemLabels: ['Errors and results', 'Errors', 'None'],
    markdownEnumDescriptions: [
      'Errors that a task tells, its result, and its end where it told none.',
      'Errors, and results that are failures.',
      'The badge of the view, the tree and the status bar still show them.',
    ],
    markdownDescription:
      'What of container tasks is worth a notification, while their run is not in view. Several at once make one notification. Their progress and the rest of their log never do.',
  },
  [s.processHostLost]: {
    type: 'boolean',
    default: true,
    scope: 'window',
    order: 5,
    markdownDescription:
      'Warn when the process host, which keeps terminals and runs alive, has ended unexpectedly.',
  },
};

const containerTasks: SettingGroup = {
  [s.containerTasksAtQuit]: {
    type: 'string',
    default: 'keep',
    scope: 'window',
    order: 1,
    enum: ['keep', 'stop'],
    enumItemLabels: ['Keep running', 'Stop'],
    markdownEnumDescriptions: [
      'They go on; the next window of this workspace shows what they did meanwhile.',
      'They are stopped, and stay stopped.',
    ],
    markdownDescription:
      'What happens to running container tasks when the window is closed. Reloading it counts as closing, because an extension cannot tell the two apart. Takes effect after a reload.',
  },
};

const daemon: SettingGroup = {
  [s.daemonEnabled]: {
    type: 'boolean',
    default: false,
    scope: 'application',
    order: 1,
    markdownDescription:
      'Start the daemon with the window: WebSocket and HTTP on 127.0.0.1, for web pages, scripts and other windows. Whoever connects needs its token, a private file in the state directory. The Daemon view starts and stops it at any time.',
  },
  [s.daemonPort]: {
    type: 'integer',
    default: 8787,
    minimum: 0,
    maximum: 65_535,
    scope: 'application',
    order: 2,
    markdownDescription:
      'Port of the daemon; the next free one where another program has it. 0 takes any. Takes effect when the daemon starts.',
  },
  [s.daemonAllowedOrigins]: {
    type: 'array',
    items: { type: 'string' },
    default: [],
    scope: 'application',
    order: 3,
    markdownDescription:
      'Web pages that may use the daemon, by their origin: `http://localhost:3000`. They need the token too. Takes effect when the daemon starts.',
  },
  [s.daemonAllowedHosts]: {
    type: 'array',
    items: { type: 'string' },
    default: [],
    scope: 'application',
    order: 4,
    markdownDescription:
      'Further names by which clients may call the daemon, without a port, such as the one of a forwarded port. Takes effect when the daemon starts.',
  },
  [s.daemonMaxSessions]: {
    type: 'integer',
    default: 100,
    minimum: 1,
    maximum: 1_000,
    scope: 'application',
    order: 5,
    markdownDescription:
      'Sessions with a task at the same time; further ones wait. How many tasks run at a time is set by `#orchestrator.run.maxConcurrent#`.',
  },
};

const advanced: SettingGroup = {
  [s.grpcEnabled]: {
    type: 'boolean',
    default: true,
    scope: 'machine-overridable',
    order: 2,
    markdownDescription:
      'Answer gRPC on a Unix socket that only you can connect to, so that the `orchestrator` command and other programs reach the sessions of this window. Takes effect after a reload.',
  },
  [s.stateDirectory]: {
    type: 'string',
    default: '',
    scope: 'machine-overridable',
    order: 1,
    markdownDescription:
      'Absolute path of the folder that holds the history, the output and the sockets of this workspace; `orchestrator --state-dir` opens the same one. Empty keeps it with the extension, a folder for each workspace. Takes effect after a reload.',
  },
};

export const settingSchemas: readonly SettingGroup[] = [
  terminal,
  run,
  containers,
  containerTasks,
  notifications,
  daemon,
  tools,
  advanced,
];

export const configuration = [
  { id: 'orchestrator.terminal', title: 'Terminal', order: 1, properties: terminal },
  { id: 'orchestrator.run', title: 'Runs', order: 2, properties: run },
  { id: 'orchestrator.containers', title: 'Containers', order: 3, properties: containers },
  { id: 'orchestrator.containerTasks', title: 'Container Tasks', order: 4, properties: containerTasks },
  { id: 'orchestrator.notifications', title: 'Notifications', order: 5, properties: notifications },
  { id: 'orchestrator.daemon', title: 'Daemon', order: 6, properties: daemon },
  { id: 'orchestrator.tools', title: 'Tools', order: 7, properties: tools },
  { id: 'orchestrator.advanced', title: 'Advanced', order: 8, properties: advanced },
];

/** Settings that name a program, a folder or an engine: a workspace that is not trusted must not choose them. */
export const restrictedConfigurations: readonly SettingId[] = [
  s.stateDirectory,
  s.terminalShell,
  s.runShell,
  s.containersEngine,
  s.toolsServers,
];
