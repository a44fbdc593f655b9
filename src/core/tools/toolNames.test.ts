import { describe, expect, test } from 'vitest';
import { exclusionOf, parseConstraints } from './toolConstraints.ts';
import { joinTools, mayProvide, nameTools, toolNameShape } from './toolNames.ts';
import type { ToolServer } from './toolServer.ts';

function server(name: string, aliases: Record<string, string> = {}): ToolServer {
  return {
    kind: 'http',
    name,
    displayName: name,
    aliases,
    callTimeoutMs: 1,
    url: 'http://localhost',
    headers: {},
    secretHeaders: [],
  };
}

const tools = (...names: string[]) =>
  names.map((name) => ({ name, description: '', inputSchema: { type: 'object' } }));

const named = (own: ToolServer, servers: readonly ToolServer[], ...names: string[]) =>
  nameTools(own, tools(...names), servers).map(({ name, provider }) => `${provider}: ${name}`);

describe('names of tools', () => {
  test('are those of the server with its name before them, once', () => {
    const github = server('github');
    expect(named(github, [github], 'list', 'github_search', 'repos.get', 'repos/get')).toEqual([
      'github: github_list',
      'github: github_search',
      'github: github_repos_get',
      expect.stringMatching(/^github: github_repos_get_[0-9a-f]{8}$/),
    ]);
  });

  test('are for every model: letters of one kind, at most 64, and never the same', () => {
    const own = server('s'.repeat(64));
    const long = 'x'.repeat(300);
    const all = nameTools(own, tools(long, `${long}y`, 'ünïcode', '工具', '', ' '), [own]);
    expect(all.every(({ name }) => toolNameShape.test(name))).toBe(true);
    expect(new Set(all.map(({ name }) => name)).size).toBe(6);
  });

  test('mean the same tool whichever servers are open', () => {
    const short = server('a');
    const long = server('a_b');
    const both = [short, long];
    const [one] = nameTools(short, tools('b_c'), both);
    const [other] = nameTools(long, tools('c'), both);
    expect(one?.name).toBe('a_b_c');
    expect(other?.name).toMatch(/^a_b_c_[0-9a-f]{8}$/);
  });

  test('of the catalogue and of the orchestrator itself are not taken by chance', () => {
    const odd = server('slack_post');
    expect(named(odd, [odd], 'message')[0]).toMatch(/^slack_post: slack_post_message_/);
    const files = server('mine', { read: 'files_read_file' });
    expect(named(files, [files], 'read')).toEqual(['mine: mine_read']);
    const two = [server('b', { send: 'gmail_send_email' }), server('a', { send: 'gmail_send_email' })];
    expect(named(two[0] as ToolServer, two, 'send')).toEqual(['b: b_send']);
    expect(named(two[1] as ToolServer, two, 'send')).toEqual(['gmail: gmail_send_email']);
  });

  test('that two servers have by chance go to the first of them', () => {
    const servers = [server('y'), server('x')];
    const lists = servers.map((own) => nameTools(own, tools('gmail_search'), servers));
    expect(joinTools(lists).map(({ server: from }) => from)).toEqual(['x']);
  });

  test('tell which servers need not be asked', () => {
    const servers = [server('slack'), server('work', { out: 'gmail_send_email' }), server('other')];
    const may = (wanted: Parameters<typeof mayProvide>[2]) =>
      servers.filter((own) => mayProvide(own, servers, wanted)).map(({ name }) => name);
    expect(may({ provider: 'slack' })).toEqual(['slack']);
    expect(may({ tool: 'gmail_send_email' })).toEqual(['work']);
    expect(may({ tool: 'other_thing' })).toEqual(['other']);
    expect(may({ tool: 'gmail_search' })).toEqual(['slack', 'work', 'other']);
    expect(may({ provider: 'files' })).toEqual([]);
  });
});

describe('constraints', () => {
  test.each([
    [undefined, { mode: 'auto', providers: null, tools: null }],
    [{}, { mode: 'auto', providers: null, tools: null }],
    [
      { mode: ' CUSTOM ', providers: [' Gmail ', '', 'gmail'], tools: [' Ab '] },
      { mode: 'custom', providers: ['gmail'], tools: ['Ab'] },
    ],
    [
      { mode: 'custom', providers: [], tools: [' '] },
      { mode: 'custom', providers: null, tools: null },
    ],
  ])('%j are read as the contract has it', (value, expected) => {
    expect(parseConstraints(value)).toEqual(expected);
  });

  test.each([
    [{ mode: 'all' }, "tool_constraints.mode must be 'auto' or 'custom'"],
    [{ mode: 1 }, "tool_constraints.mode must be 'auto' or 'custom'"],
    [[], 'tool_constraints must be an object'],
    [{ providers: 'gmail' }, 'tool_constraints.providers must be a list of texts'],
    [{ tools: [1] }, 'tool_constraints.tools must be a list of texts'],
  ])('%j are refused', (value, message) => {
    expect(() => parseConstraints(value)).toThrow(message);
  });

  test('let in what is among both lists; commands only where they are named', () => {
    const post = { name: 'slack_post_message', provider: 'slack' };
    const run = { name: 'terminal_run_command', provider: 'terminal' };
    const of = (providers: string[] | null, names: string[] | null) =>
      ({ mode: 'custom', providers, tools: names }) as const;
    expect(exclusionOf(of(['slack'], null), post, true)).toBeUndefined();
    expect(exclusionOf(of(['gmail'], ['slack_post_message']), post, true)).toBe('filtered');
    expect(exclusionOf(of(['slack'], ['other']), post, true)).toBe('tool_filter');
    expect(exclusionOf(of(null, null), run, false)).toBe('filtered');
    expect(exclusionOf(of(['terminal'], null), run, false)).toBeUndefined();
    expect(exclusionOf({ mode: 'auto', providers: ['gmail'], tools: null }, post, true)).toBeUndefined();
  });
});
