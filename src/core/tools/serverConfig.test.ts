import { describe, expect, test } from 'vitest';
import { parseCommentedJson } from './commentedJson.ts';
import { inputsOf, parseServers, valuesOf } from './serverConfig.ts';

const variables = {
  env: (name: string) => ({ KEY: 'k1', DIR: '/data' })[name],
  folder: '/project',
  home: '/home/me',
};

describe('a configuration of servers', () => {
  test('is read in the shapes of VS Code and of Claude', () => {
    const vscode = parseCommentedJson(`\uFEFF{
      // comment, "with quotes"
      "servers": { /* more, */
        "My Files": { "type": "stdio", "command": "npx", "args": ["-y", "x//y", "\${workspaceFolder}",], "env": { "KEY": "\${env:KEY}", "N": 1 }, },
      },
    }`);
    expect(parseServers(vscode, variables)).toEqual({
      problems: [],
      entries: [
        {
          server: {
            kind: 'stdio',
            name: 'my-files',
            displayName: 'My Files',
            aliases: {},
            callTimeoutMs: 60_000,
            command: 'npx',
            args: ['-y', 'x//y', '/project'],
            cwd: '/project',
            env: {},
            secretEnv: ['KEY', 'N'],
          },
          values: { KEY: 'k1', N: '1' },
        },
      ],
    });
    const claude = {
      mcpServers: {
        api: {
          type: 'http',
          url: '${BASE:-https://api.example}/mcp',
          headers: { A: '${input:a}-${KEY}' },
          timeout: 5_000,
        },
      },
    };
    const [entry] = parseServers(claude, variables).entries;
    expect(entry?.server).toMatchObject({
      kind: 'http',
      url: 'https://api.example/mcp',
      headers: {},
      secretHeaders: ['A'],
      callTimeoutMs: 5_000,
    });
    expect(entry && inputsOf(entry)).toEqual(['a']);
    expect(entry && valuesOf(entry, new Map())).toEqual({});
    expect(entry && valuesOf(entry, new Map([['a', '$& ${KEY}']]))).toEqual({ A: '$& ${KEY}-k1' });
  });

  test.each([
    [{}, 'it has neither a command nor a url'],
    [{ command: 'a', args: 'b' }, 'args must be a list of texts'],
    [
      { command: 'a', args: ['${input:x}'] },
      'args would show an input to everybody: put it into env or headers',
    ],
    [{ command: 'a', env: { A: '${env:MISSING}' } }, 'there is no ${env:MISSING}'],
    [{ command: 'a', cwd: 'relative' }, 'cwd must be an absolute path'],
    [{ url: 'file:///etc/passwd' }, 'url must begin with https:// or http://'],
    [{ url: 'https://a:b@c' }, 'url must hold no password: put it into a header'],
    [{ url: 'https://a', headers: { A: 'b\r\nC: d' } }, 'the header A has line breaks'],
    [{ type: 'sse', url: 'https://a' }, 'the transport "sse" is of an old protocol: use "http"'],
    [
      { command: 'a', aliases: { x: 'no good' } },
      'the alias of "x" must be letters, digits, "_" and "-", at most 64',
    ],
    [{ command: 'a', timeout: 0 }, 'timeout must be milliseconds, from 1 to 3600000'],
    [null, 'a server must be an object'],
  ])('tells what is wrong with %j, and keeps the others', (value, problem) => {
    const parsed = parseServers({ servers: { bad: value, good: { command: 'g' } } }, variables);
    expect(parsed.problems).toEqual([{ name: 'bad', problem }]);
    expect(parsed.entries.map(({ server }) => server.name)).toEqual(['good']);
  });

  test('has each name once, and not those of our own', () => {
    const parsed = parseServers(
      { 'A b': { command: 'x' }, 'a-b': { command: 'y' }, Files: { command: 'z' }, '!': { command: 'q' } },
      variables,
    );
    expect(parsed.entries).toHaveLength(1);
    expect(parsed.problems.map(({ name }) => name)).toEqual(['a-b', 'Files', '!']);
  });
});
