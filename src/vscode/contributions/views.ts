import { commandIds as c, contextKeys, settingIds, viewIds, walkthroughId } from './ids.ts';

export const viewsContainers = {
  activitybar: [{ id: viewIds.container, title: 'Orchestrator', icon: 'media/orchestrator.svg' }],
  panel: [{ id: viewIds.panelContainer, title: 'Run', icon: '$(rocket)' }],
};

export const views = {
  [viewIds.container]: [
    {
      id: viewIds.sessions,
      name: 'Sessions',
      icon: 'media/orchestrator.svg',
      contextualTitle: 'Orchestrator',
      initialSize: 3,
    },
    {
      id: viewIds.agents,
      name: 'Agents',
      icon: '$(robot)',
      contextualTitle: 'Orchestrator Agents',
      when: contextKeys.hasAgents,
      initialSize: 1,
    },
    {
      id: viewIds.history,
      name: 'History',
      icon: '$(history)',
      contextualTitle: 'Orchestrator History',
      visibility: 'collapsed',
      initialSize: 1,
    },
    {
      id: viewIds.daemon,
      name: 'Daemon',
      type: 'webview',
      icon: '$(radio-tower)',
      contextualTitle: 'Orchestrator Daemon',
      visibility: 'collapsed',
      initialSize: 2,
    },
  ],
  // Only for those who chose it: an empty tab in everyone's bottom panel would be in the way.
  [viewIds.panelContainer]: [
    {
      id: viewIds.runView,
      name: 'Run',
      type: 'webview',
      icon: '$(rocket)',
      when: `isWorkspaceTrusted && config.${settingIds.runOpenIn} == panel`,
    },
  ],
};

const stateIs = (word: string): string => `isWorkspaceTrusted && ${contextKeys.state} == ${word}`;

export const viewsWelcome = [
  {
    view: viewIds.sessions,
    when: `isWorkspaceTrusted && ${contextKeys.state} =~ /^(ready|off)$/`,
    contents: [
      'A session keeps the terminals and task runs of one piece of work. They go on when this window is reloaded or closed.',
      `[Run a Task](command:${c.runTask})`,
      `[New Terminal](command:${c.newTerminal})`,
      `New here? [Take the walkthrough](command:${c.openWalkthrough}).`,
    ].join('\n'),
  },
  {
    view: viewIds.sessions,
    when: '!isWorkspaceTrusted',
    contents: [
      'This workspace is not trusted, so nothing is started here: no terminal, no task and no background process.',
      `[Manage Trust](command:${c.manageTrust})`,
    ].join('\n'),
  },
  {
    view: viewIds.sessions,
    when: stateIs('inUse'),
    contents: [
      'Another window or program is serving the sessions of this workspace. They show here as soon as it is closed.',
      `[Take Over](command:${c.takeOverState})`,
      `Taking over ends nothing: terminals and runs go on in this window. [Show the log](command:${c.showLog}).`,
    ].join('\n'),
  },
  {
    view: viewIds.sessions,
    when: stateIs('broken'),
    contents: [
      'The orchestrator could not start. What is saved is untouched, and terminals that are running go on.',
      `[Retry](command:${c.retryStart})`,
      `[Show Log](command:${c.showLog})`,
    ].join('\n'),
  },
  {
    view: viewIds.history,
    when: `${stateIs('ready')} && !${contextKeys.hasHistorySearch}`,
    contents: `No finished runs yet. [Run a task](command:${c.runTask}) and it stays here, with its output.`,
  },
];

const image = (name: string, altText: string): { image: string; altText: string } => ({
  image: `media/walkthrough/${name}.svg`,
  altText,
});

export const walkthroughs = [
  {
    id: walkthroughId,
    title: 'Get started with Orchestrator',
    description: 'Run tasks and keep terminals that outlive the window.',
    icon: 'media/icon.png',
    steps: [
      {
        id: 'run',
        title: 'Run your first task',
        description: `A task is one or more commands, one a line. Each command becomes a step with its output, exit code and duration.\n[Run Task](command:${c.runTask})`,
        media: image('run', 'A run with three finished steps and one that is running'),
        completionEvents: [`onContext:${contextKeys.hasRun}`, `onCommand:${c.runTask}`],
      },
      {
        id: 'terminal',
        title: 'Open a terminal that survives reload',
        description: `Start something long in it, then reload the window: the same process, the same screen.\n[New Terminal](command:${c.newTerminal})\nClosing the tab of an idle terminal ends it; what else closing does is [a setting](command:${c.openSettings}).`,
        media: image('terminal', 'A terminal that is attached again after a reload'),
        completionEvents: [`onContext:${contextKeys.hasTerminal}`, `onCommand:${c.newTerminal}`],
      },
      {
        id: 'watch',
        title: 'Watch what is going on',
        description: `The view in the activity bar shows every session with its terminals and runs, and History every finished run with its output. Containers show in the same place, with what they use.\n[Show Sessions](command:${viewIds.sessions}.focus)\n[Create Container](command:${c.createContainer})`,
        media: image('watch', 'The sessions tree with a running run and two terminals'),
        completionEvents: [`onView:${viewIds.sessions}`],
      },
      {
        id: 'outside',
        title: 'Drive it from outside',
        description: `The \`orchestrator\` command runs the same core without VS Code: \`orchestrator run -- npm test\` streams the output and exits with the task's code. Copy Diagnostics gives you the state directory of this workspace for \`--state-dir\`. A command on the directory of an open window runs in that window. Other programs reach it by gRPC, on a socket in the same directory.\n[Copy Diagnostics](command:${c.copyDiagnostics})`,
        media: image('outside', 'The orchestrator command in a shell'),
        completionEvents: [`onCommand:${c.copyDiagnostics}`],
      },
      {
        id: 'safe',
        title: 'Keep it safe',
        description: `Nothing is started in a workspace that is not trusted, no network port is opened, and what a program prints is shown, never obeyed. Limits for runs and for kept output are settings.\n[Open Settings](command:${c.openSettings})\n[Manage Trust](command:${c.manageTrust})`,
        media: image('safe', 'A shield over a terminal'),
        completionEvents: [`onCommand:${c.openSettings}`, `onCommand:${c.manageTrust}`],
      },
    ],
  },
];
