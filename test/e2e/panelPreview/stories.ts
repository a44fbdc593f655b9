import type { HostMessage, RunView } from '../../../src/protocol/runPanel.ts';
import { emptyDigest, foldDigest } from '../../../src/protocol/story/digest.ts';
import type { StoryEvent } from '../../../src/protocol/story/story.ts';
import { run, snapshot } from './scenarios.ts';

/** What models and coding agents tell, as the host sends it. */

type Telling = readonly [type: string, data: Record<string, unknown>, afterMs?: number];

/** As events of a run that began at `start`. */
export function eventsOf(start: number, told: readonly Telling[], firstOrdinal = 1): StoryEvent[] {
  let time = start;
  return told.map(([type, data, afterMs = 900], index) => {
    time += afterMs;
    return { ordinal: firstOrdinal + index, sequence: 100 + firstOrdinal + index, time, type, data };
  });
}

export function storyMessage(
  events: StoryEvent[],
  more: Partial<Extract<HostMessage, { type: 'story' }>> = {},
): HostMessage {
  return {
    type: 'story',
    events,
    isReset: true,
    from: events[0]?.ordinal ?? 1,
    total: events.at(-1)?.ordinal ?? 0,
    digest: events.reduce(foldDigest, emptyDigest),
    ...more,
  };
}

export function storyRun(now: number, more: Partial<RunView> = {}): RunView {
  return run(now, {
    task: 'Find out why the nightly job fails, mend it, and tell the team',
    engine: 'claude-code',
    shell: '',
    hasStory: true,
    usage: { inputTokens: 18_240, outputTokens: 2_310, costUsd: 0.1432 },
    steps: [
      {
        index: 1,
        command: 'Find out why the nightly job fails',
        status: 'running',
        startedAt: now - 102_000,
        outputBytes: 0,
      },
    ],
    ...more,
  });
}

const call = (id: string, tool: string, input: unknown, server = 'claude-code'): Telling => [
  'mcp.call.started',
  { step: 1, server, tool, call_id: id, arguments: input },
];
const answer = (id: string, tool: string, response: unknown, server = 'claude-code'): Telling => [
  'mcp.call.completed',
  { step: 1, server, tool, call_id: id, response },
  340,
];
const say = (text: string): Telling => ['worker.generator.output.delta', { step: 1, text, to: 0 }, 40];
const think = (text: string): Telling => ['worker.generator.reasoning.delta', { step: 1, text }, 40];

export const nightly: readonly Telling[] = [
  ['response.created', {}],
  ['response.in_progress', {}],
  [
    'runner.tools.configured',
    {
      mode: 'custom',
      providers: ['slack', 'files'],
      tools: ['slack_post_message', 'gmail_send_email'],
      effective: [
        { name: 'slack_post_message', provider: 'slack' },
        { name: 'read_file', provider: 'files' },
        { name: 'search_files', provider: 'files' },
      ],
      unavailable: [{ provider: 'gmail', tool: 'gmail_send_email', reason: 'unauthorized' }],
    },
  ],
  ['runner.started', { task: 't', max_steps: 1 }],
  ['runner.step.started', { step: 1 }],
  think('The nightly job runs `scripts/nightly.sh`. I should read its log first, then the script.'),
  say('I look at the log of the **last night** first, then at the script:\n\n'),
  say('1. `logs/nightly.log`\n2. `scripts/nightly.sh`\n\n'),
  call('c1', 'Read', { file_path: 'logs/nightly.log' }),
  answer('c1', 'Read', 'step 1 ok\nstep 2 ok\nENOSPC: no space left on device\nexit 1'),
  ['runner.usage', { input_tokens: 9_000, output_tokens: 800, cost_usd: 0.06 }],
  call('c2', 'Bash', { command: 'df -h /var', description: 'How full is the disk?' }),
  answer('c2', 'Bash', 'Filesystem  Size  Used Avail Use%\n/dev/sda1    40G   40G     0 100% /var'),
  call('c3', 'Edit', {
    file_path: 'scripts/nightly.sh',
    old_string: 'set -e\ncache=/var/cache/nightly\nbuild "$cache"',
    new_string: 'set -e\ncache=/var/cache/nightly\nfind "$cache" -mtime +7 -delete\nbuild "$cache"',
  }),
  answer('c3', 'Edit', [{ type: 'text', text: 'The file was updated.' }]),
  call('c4', 'gmail_send_email', { to: 'team@example.org', subject: 'Nightly' }, 'gmail'),
  [
    'mcp.call.skipped',
    { step: 1, server: 'gmail', tool: 'gmail_send_email', call_id: 'c4', reason: 'unauthorized' },
    4,
  ],
  call(
    'c5',
    'slack_post_message',
    { channel: '#builds', text: 'The nightly job was out of disk space.' },
    'slack',
  ),
  [
    'mcp.call.failed',
    { step: 1, server: 'slack', tool: 'slack_post_message', call_id: 'c5', error: 'channel_not_found' },
    900,
  ],
  ['worker.generator.started', { step: 1, attempt: 1, model: 'm' }],
  say('The cache has filled'),
  ['worker.generator.failed', { step: 1, attempt: 1, error: 'HTTP 529 overloaded', retry_in_ms: 2_000 }],
  ['worker.generator.started', { step: 1, attempt: 2, model: 'm' }, 2_000],
  ['code_agent.session.started', { task: 'count', budget: 20, place: 'container' }],
  ['code_agent.step.started', { step: 1, budget_remaining: 19 }],
  [
    'code_agent.step.execution',
    {
      step: 1,
      code_type: 'python',
      code: '# How old is what fills it?\nimport os\nfor name in os.listdir("/var/cache/nightly"):\n    print(name, 7)\n',
      status: 'ok',
      output: 'a 7\nb 7\n',
      error: '',
      message: '',
      return_code: 0,
    },
    1_200,
  ],
  ['code_agent.step.completed', { step: 1, status: 'ok', thoughts: '' }],
  ['code_agent.session.completed', { completion_reason: 'DONE', steps_executed: 1, budget: 20, summary: '' }],
  ['runner.usage', { input_tokens: 9_240, output_tokens: 1_510, cost_usd: 0.0832 }],
  say(
    '## What was wrong\n\nThe disk was full: the cache of the nightly job is never emptied. See [the manual](https://example.org/manual) and `df`.\n\n',
  ),
  say(
    '| Folder | Size |\n| --- | ---: |\n| /var/cache/nightly | 31 GB |\n| /var/log | 2 GB |\n\n```diff\n--- a/scripts/nightly.sh\n+++ b/scripts/nightly.sh\n@@ -2,2 +2,3 @@\n cache=/var/cache/nightly\n+find "$cache" -mtime +7 -delete\n-build\n```\n',
  ),
];

const ending: readonly Telling[] = [
  ['runner.step.completed', { step: 1, status: 'success', action: '', completion_reason: 'DONE' }],
  ['runner.completed', { status: 'success', completion_reason: 'DONE', steps: 1 }],
  ['response', {}],
  ['response.completed', { status: 'success', completion_reason: 'DONE', outcome: 'succeeded' }],
];

/** Everything that could hurt a page or mislead its reader. */
export const hostileText =
  '<img src=x onerror="parent.hurt=1"><script>parent.hurt=1</script>\n\n' +
  '![pixel](https://example.org/pixel.png) [click](javascript:parent.hurt=1) [file](file:///etc/passwd)\n\n' +
  '<style>*{display:none}</style><iframe src="https://example.org"></iframe> <b style="position:fixed">b</b>\n\n' +
  'user\u202egnp.exe \u2066isolated\u2069 \u200bhidden\ufeff \u001b[31mred\u001b[0m \u001b]8;;https://example.org\u0007link\u001b]8;;\u0007 \u0000nul\n\n' +
  'مرحبا بالعالم, then English, שלום עולם.\n';

export const hostile: readonly Telling[] = [
  ['runner.step.started', { step: 1 }],
  think(hostileText),
  say(hostileText),
  call('h1', `<b>${'x'.repeat(120)}</b>`, { command: hostileText }, '<i>server</i>\u202e'),
  answer('h1', 'x', hostileText),
  call('h2', 'Bash', hostileText.repeat(20)),
  ['mcp.call.failed', { step: 1, server: 's', tool: 'Bash', call_id: 'h2', error: hostileText }],
  [
    'code_agent.step.execution',
    {
      step: 1,
      code_type: 'python"><script>',
      code: hostileText,
      status: 'error',
      output: hostileText,
      error: hostileText,
      message: '',
      return_code: 1,
    },
  ],
  ['worker.generator.failed', { step: 1, attempt: 1, error: hostileText, retry_in_ms: null }],
  [
    'runner.tools.configured',
    {
      mode: 'custom',
      effective: [{ name: hostileText, provider: hostileText }],
      unavailable: [{ provider: hostileText, tool: hostileText, reason: hostileText }],
    },
  ],
  ['runner.hints.ignored', { engine: hostileText, fields: [hostileText] }],
  ['response.failed', { error: hostileText, reason: hostileText }],
];

export const storyScenarios: Record<string, (now: number) => HostMessage[]> = {
  story: (now) => [snapshot(now, storyRun(now)), storyMessage(eventsOf(now - 100_000, nightly))],
  storyDone: (now) => [
    snapshot(now, storyRun(now, { status: 'succeeded', endedAt: now - 60_000 })),
    storyMessage(eventsOf(now - 100_000, [...nightly, ...ending])),
  ],
  storyHostile: (now) => [
    snapshot(now, storyRun(now, { status: 'failed', endedAt: now - 90_000, error: hostileText })),
    storyMessage(eventsOf(now - 100_000, hostile)),
  ],
};
