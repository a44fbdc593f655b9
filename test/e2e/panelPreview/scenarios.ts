import type {
  HistoryEntry,
  HostMessage,
  RunView,
  SessionChoice,
  StepView,
  TaskLogEntry,
} from '../../../src/protocol/runPanel.ts';

/** What a host would send in the situations that the panel must look right in. */

const E = '\u001b[';

export const sessions: SessionChoice[] = [
  { id: 's1', name: 'api-refactor', cwd: '/home/mira/srv/api' },
  { id: 's2', name: 'docs', cwd: '/home/mira/srv/docs' },
];

export function history(now: number): HistoryEntry[] {
  const hour = 3_600_000;
  const entry = (
    id: string,
    task: string,
    status: HistoryEntry['status'],
    ago: number,
    durationMs?: number,
  ): HistoryEntry => ({
    id,
    task,
    status,
    createdAt: now - ago,
    sessionName: id === 'h3' ? 'docs' : 'api-refactor',
    engine: id === 'h2' ? 'claude-code' : 'shell',
    ...(durationMs === undefined ? {} : { durationMs }),
  });
  return [
    entry('run-1', 'npm ci\nnpm run build\nnpm test\nnpm run lint', 'running', 102_000),
    entry('h1', 'npm test', 'failed', 12 * 60_000, 41_200),
    entry('h2', 'cargo build --release', 'succeeded', 2 * hour, 184_000),
    entry('h3', 'vale docs/', 'cancelled', 26 * hour, 3_400),
    entry('h4', './scripts/nightly.sh', 'timed_out', 27 * hour, 3_600_000),
    entry('h5', 'git bisect run npm test', 'succeeded', 80 * hour, 652_000),
    entry('h6', 'node --version\nls -la', 'succeeded', 700 * hour, 340),
  ];
}

const step = (
  index: number,
  command: string,
  status: StepView['status'],
  more: Partial<StepView> = {},
): StepView => ({
  index,
  command,
  status,
  outputBytes: 0,
  ...more,
});

export function run(now: number, more: Partial<RunView> = {}): RunView {
  return {
    id: 'run-1',
    task: 'npm ci\nnpm run build\nnpm test\nnpm run lint',
    status: 'running',
    isAborting: false,
    sessionId: 's1',
    sessionName: 'api-refactor',
    engine: 'shell',
    shell: 'bash',
    hasStory: false,
    canReplay: true,
    cwd: '/home/mira/srv/api',
    createdAt: now - 103_000,
    startedAt: now - 102_000,
    steps: [
      step(1, 'npm ci', 'succeeded', {
        startedAt: now - 102_000,
        durationMs: 12_412,
        exitCode: 0,
        terminalId: 't1',
      }),
      step(2, 'npm run build', 'succeeded', {
        startedAt: now - 89_000,
        durationMs: 8_120,
        exitCode: 0,
        terminalId: 't1',
      }),
      step(3, 'npm test', 'running', { startedAt: now - 41_000, terminalId: 't1' }),
      step(4, 'npm run lint', 'pending'),
    ],
    ...more,
  };
}

export const testOutput =
  `${E}2m> api@2.4.0 test${E}22m\r\n${E}2m> vitest run${E}22m\r\n\r\n` +
  ['ringBuffer', 'emitter', 'disposable', 'clock', 'errors']
    .map(
      (name, i) =>
        ` ${E}32m✓${E}39m src/base/${name}.test.ts ${E}2m(${i * 3 + 4} tests)${E}22m ${E}32m${i * 7 + 12}ms${E}39m\r\n`,
    )
    .join('') +
  `${E}33m⠋${E}39m src/core/runs/reducer.test.ts${E}2K\r ${E}32m✓${E}39m src/core/runs/reducer.test.ts ${E}2m(42 tests)${E}22m ${E}32m88ms${E}39m\r\n` +
  ` ${E}30;43m SKIP ${E}0m src/core/terminals/screen.test.ts\r\n` +
  ` ${E}38;5;208mslow${E}39m ${E}38;2;120;170;255m1.8 s${E}0m  see https://vitest.dev/guide/profiling.html, then src/core/pty.ts:118:7\r\n`;

export const failedOutput =
  testOutput +
  Array.from(
    { length: 60 },
    (_, i) => ` ${E}32m✓${E}39m src/part${i}/index.test.ts ${E}2m(3 tests)${E}22m\r\n`,
  ).join('') +
  `\r\n${E}31m⎯⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯⎯${E}39m\r\n\r\n` +
  `${E}41;1m FAIL ${E}0m src/core/runs/manager.test.ts > aborts the whole process tree\r\n` +
  `${E}31m${E}1mAssertionError${E}22m: expected 1 to be 0 // Object.is equality${E}39m\r\n` +
  ` ${E}36m❯${E}39m src/core/runs/manager.test.ts:214:31\r\n` +
  `    ${E}2m212|${E}22m     await run.abort();\r\n    ${E}2m213|${E}22m     ${E}35mconst${E}39m left = ${E}35mawait${E}39m processes();\r\n` +
  `  ${E}31m>${E}39m ${E}2m214|${E}22m     expect(left.length).toBe(0);\r\n       ${E}2m|${E}22m                         ${E}31m^${E}39m\r\n\r\n` +
  Array.from(
    { length: 20 },
    (_, i) => `    at processTicks (node:internal/process/task_queues:${i + 90}:5)\r\n`,
  ).join('') +
  ` Test Files  ${E}31m1 failed${E}39m | ${E}32m66 passed${E}39m\r\n`;

export function output(
  step: number,
  text: string,
  more: Partial<Extract<HostMessage, { type: 'output' }>> = {},
): HostMessage {
  const from = more.from ?? 0;
  return {
    type: 'output',
    step,
    from,
    to: from + Buffer.byteLength(text),
    text,
    isReset: from === 0,
    omittedBytes: 0,
    ...more,
  };
}

/** What the task box offers, with every kind of engine and provider. */
export const options: HostMessage = {
  type: 'options',
  options: {
    engines: [
      {
        id: 'shell',
        title: 'Shell',
        description: 'Commands, one a line',
        takesSentence: false,
        uses: ['limits'],
      },
      {
        id: 'container',
        title: 'Container',
        description: 'In a container',
        takesSentence: false,
        uses: ['limits'],
      },
      {
        id: 'model',
        title: 'Model',
        description: 'A language model with tools',
        takesSentence: true,
        uses: ['model', 'limits', 'tools', 'code'],
      },
      {
        id: 'claude-code',
        title: 'Claude Code',
        description: 'A coding agent',
        takesSentence: true,
        uses: ['limits'],
      },
      {
        id: 'agent:planner',
        title: 'planner',
        description: 'A registered agent',
        takesSentence: true,
        uses: ['limits'],
      },
    ],
    models: [{ provider: 'openai', providerName: 'OpenAI', model: 'o4-mini', title: 'o4-mini' }],
    toolProviders: [
      {
        provider: 'gmail',
        displayName: 'Gmail',
        isAuthorized: true,
        isConfigured: true,
        tools: [
          { name: 'gmail_send_email', description: 'Sends a message' },
          { name: 'gmail_search', description: 'Searches messages' },
        ],
      },
      {
        provider: 'slack',
        displayName: 'Slack',
        isAuthorized: true,
        isConfigured: true,
        tools: [
          { name: 'slack_post_message', description: 'Posts a message' },
          { name: 'slack_search_messages', description: 'Searches messages' },
        ],
      },
      { provider: 'jira', displayName: 'Jira', isAuthorized: false, isConfigured: true, tools: [] },
    ],
    backends: [
      { id: 'local', title: 'This window', description: '' },
      { id: 'lab', title: 'Lab', description: 'https://lab.example.org' },
    ],
  },
};

export function snapshot(
  now: number,
  view: RunView | null,
  more: Partial<Extract<HostMessage, { type: 'snapshot' }>> = {},
): HostMessage {
  return { type: 'snapshot', now, run: view, history: history(now), sessions, ...more };
}

/** An execution of a container task; with a program of this machine, its output shows below the log. */
export function taskRun(
  now: number,
  more: Partial<RunView> = {},
  task: Partial<RunView['containerTask']> = {},
): RunView {
  return run(now, {
    task: 'Index the archive',
    engine: 'container task',
    shell: '',
    steps: [
      step(1, 'docker.io/library/python:3 python3 /task/main.py', 'running', { startedAt: now - 41_000 }),
    ],
    containerTask: {
      taskId: 'index-001',
      program: 'docker.io/library/python:3',
      progress: 62,
      message: 'Processing item Y of the third shelf',
      errors: 1,
      hasOutput: true,
      isLogAway: false,
      ...task,
    },
    ...more,
  });
}

export function taskLog(
  entries: readonly Partial<TaskLogEntry>[],
  more: Partial<Extract<HostMessage, { type: 'taskLog' }>> = {},
  firstSequence = 1,
): HostMessage {
  const start = new Date('2026-11-21T08:14:00').getTime();
  return {
    type: 'taskLog',
    entries: entries.map((entry, i) => ({
      sequence: firstSequence + i,
      time: start + (firstSequence + i) * 1_300,
      kind: 'log',
      level: 'Info',
      text: 'Read',
      action: 'OrcaLogEntry',
      ...entry,
    })),
    isReset: firstSequence === 1,
    omitted: 0,
    ...more,
  };
}

const taskStory: readonly Partial<TaskLogEntry>[] = [
  { kind: 'status', text: 'Processing item X (50 %)', action: 'OrcaStatusUpdate' },
  { text: 'Opened 412 files' },
  {
    level: 'Warn',
    text: 'item-17.txt has no title; its name is taken',
    details: '{\n  "file": "item-17.txt"\n}',
  },
  { kind: 'status', text: 'Processing item Y of the third shelf (62 %)', action: 'OrcaStatusUpdate' },
  {
    kind: 'error',
    level: 'Error',
    text: 'item-31.txt cannot be read',
    action: 'OrcaTaskError',
    details: '{\n  "file": "item-31.txt",\n  "errno": 13\n}',
    stack:
      'Traceback (most recent call last):\n  File "/task/main.py", line 31, in index\nPermissionError: [Errno 13] Permission denied',
  },
];

const taskResult: Partial<TaskLogEntry> = {
  kind: 'result',
  text: 'completed',
  action: 'OrcaTaskResult',
  details:
    '{\n  "output_cid": "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",\n  "files": 411\n}',
};

const long =
  'NODE_OPTIONS=--max-old-space-size=8192 npx vitest run --project integration --reporter=verbose --coverage.enabled --coverage.reporter=lcov src/core';

export const scenarios: Record<string, (now: number) => HostMessage[]> = {
  empty: (now) => [snapshot(now, null, { history: [] })],
  history: (now) => [snapshot(now, null)],
  running: (now) => [snapshot(now, run(now)), output(3, testOutput)],
  failed: (now) => [
    snapshot(
      now,
      run(now, {
        status: 'failed',
        endedAt: now - 20_000,
        steps: [
          ...run(now).steps.slice(0, 2),
          step(3, 'npm test', 'failed', {
            startedAt: now - 61_000,
            durationMs: 41_220,
            exitCode: 1,
            terminalId: 't1',
            outputBytes: Buffer.byteLength(failedOutput),
          }),
          step(4, 'npm run lint', 'skipped'),
        ],
      }),
    ),
    output(3, failedOutput),
  ],
  succeeded: (now) => [
    snapshot(
      now,
      run(now, {
        task: 'node --version\nls -la',
        status: 'succeeded',
        endedAt: now - 101_200,
        steps: [
          step(1, 'node --version', 'succeeded', {
            startedAt: now - 102_000,
            durationMs: 42,
            exitCode: 0,
            terminalId: 't1',
          }),
          step(2, 'ls -la', 'succeeded', {
            startedAt: now - 101_900,
            durationMs: 18,
            exitCode: 0,
            terminalId: 't1',
          }),
        ],
      }),
    ),
    output(
      2,
      'total 12\r\ndrwxr-xr-x  3 mira mira 4096 Nov 21 08:14 \u001b[0m\u001b[01;34m.\u001b[0m\r\ndrwxr-xr-x 14 mira mira 4096 Nov 20 17:02 \u001b[01;34m..\u001b[0m\r\n-rwxr-xr-x  1 mira mira  412 Nov 21 08:14 \u001b[01;32mbuild.sh\u001b[0m\r\n',
    ),
  ],
  long: (now) => [
    snapshot(
      now,
      run(now, {
        task: `${long}\nnpm test`,
        sessionName:
          'a-session-with-a-name-of-one-hundred-and-twenty-characters-which-nobody-would-choose-but-somebody-will-generate-one-day',
        cwd: '/home/mira/srv/clients/a-very-long-customer-name/monorepo/packages/orchestration/services/api-gateway',
        steps: [
          step(1, long, 'succeeded', {
            startedAt: now - 102_000,
            durationMs: 3_912_412,
            exitCode: 0,
            terminalId: 't1',
          }),
          step(2, `${long} src/processHost src/adapters`, 'running', {
            startedAt: now - 41_000,
            terminalId: 't1',
          }),
          step(3, long, 'pending'),
        ],
      }),
    ),
    output(
      2,
      `${'a-token-without-any-blank-'.repeat(20)}\r\n${'Words that wrap at some place or other. '.repeat(12)}\r\n`,
      {
        omittedBytes: 12_400_000,
      },
    ),
    {
      type: 'problem',
      message:
        'The working directory /home/mira/srv/gone does not exist. Choose another session, or make the folder.',
      field: 'session',
    },
  ],
  rtl: (now) => [
    snapshot(
      now,
      run(now, {
        task: 'echo "שלום עולם, זו משימה ארוכה" && ls',
        sessionName: 'مشروع الواجهة',
        cwd: '/home/mira/עבודה/api',
        steps: [
          step(1, 'echo "مرحبا بالعالم"', 'succeeded', {
            startedAt: now - 102_000,
            durationMs: 420,
            exitCode: 0,
            terminalId: 't1',
          }),
          step(2, 'עברית --help', 'failed', {
            startedAt: now - 101_000,
            durationMs: 1_120,
            exitCode: 127,
            terminalId: 't1',
          }),
        ],
        status: 'failed',
        endedAt: now - 100_000,
      }),
    ),
    output(
      2,
      'bash: עברית: command not found\r\nשגיאה: הפקודה לא נמצאה (exit 127)\r\nfile קובץ.txt saved\r\n',
    ),
  ],
  disconnected: (now) => [
    snapshot(now, run(now)),
    output(3, testOutput),
    {
      type: 'connection',
      isConnected: false,
      message: 'The core stopped. What runs goes on; connecting again…',
    },
  ],
  task: (now) => [snapshot(now, taskRun(now)), taskLog(taskStory)],
  taskDone: (now) => [
    snapshot(
      now,
      taskRun(
        now,
        {
          status: 'succeeded',
          endedAt: now - 2_000,
          steps: [
            step(1, 'docker.io/library/python:3', 'succeeded', {
              startedAt: now - 41_000,
              durationMs: 39_000,
              exitCode: 0,
            }),
          ],
        },
        { progress: 100, message: 'Done' },
      ),
    ),
    taskLog([...taskStory.slice(0, 4), taskResult]),
  ],
  taskFailed: (now) => [
    snapshot(
      now,
      taskRun(
        now,
        {
          status: 'failed',
          endedAt: now - 2_000,
        },
        {
          why: 'The container ended with exit code 137.',
          retry: { number: 3, at: new Date('2026-11-21T08:20:00').getTime() },
        },
      ),
    ),
    taskLog(taskStory, { omitted: 2_311 }),
  ],
  taskProgram: (now) => [
    snapshot(
      now,
      taskRun(now, {
        steps: [
          step(1, 'node /home/mira/srv/api/task/main.js', 'running', {
            startedAt: now - 41_000,
            terminalId: 't1',
          }),
        ],
      }),
    ),
    taskLog(taskStory.slice(0, 3)),
    output(1, testOutput),
  ],
};
