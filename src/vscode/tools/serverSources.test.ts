import { beforeEach, describe, expect, test } from 'vitest';
import { parseInputs, parseServers } from '../../core/tools/serverConfig.ts';
import { type ServerSource, ServerSources, type SourceHost } from './serverSources.ts';

const variables = { env: () => undefined, folder: '/project', home: '/home/me' };

function source(label: string, isOfWorkspace: boolean, config: object): ServerSource {
  return { label, isOfWorkspace, servers: parseServers(config, variables), inputs: parseInputs(config) };
}

describe('the tool servers of a window', () => {
  let sources: ServerSource[];
  const decisions = new Map<string, boolean>();
  const inputs = new Map<string, string>();
  let questions: string[];
  let answer: boolean | string | undefined;

  const host: SourceHost = {
    readSources: () => Promise.resolve(sources),
    decision: (content) => decisions.get(content),
    askApproval(label, { name }, content) {
      questions.push(`${label}: ${name}?`);
      if (typeof answer === 'boolean') decisions.set(content, answer);
      return Promise.resolve(typeof answer === 'boolean' ? answer : undefined);
    },
    readInput: (label, id) => Promise.resolve(inputs.get(`${label}.${id}`)),
    askInput(label, { id, description }) {
      questions.push(`${label}: ${description}`);
      if (typeof answer === 'string') inputs.set(`${label}.${id}`, answer);
      return Promise.resolve(typeof answer === 'string' ? answer : undefined);
    },
  };

  beforeEach(() => {
    sources = [];
    decisions.clear();
    inputs.clear();
    questions = [];
    answer = undefined;
  });

  const names = async (servers: ServerSources): Promise<string[]> =>
    (await servers.read()).servers.map(({ name }) => name);

  test('of the workspace wait until they are allowed, once for each content', async () => {
    sources = [
      source('mine', false, { a: { command: 'a' } }),
      source('file', true, { a: { command: 'other' }, b: { command: 'b' } }),
    ];
    const servers = new ServerSources(host);
    const changes: string[] = [];
    servers.onDidChange(() => changes.push('changed'));
    expect(await names(servers)).toEqual(['a']);
    await names(servers);
    expect(questions).toEqual(['file: b?']);
    answer = true;
    sources = [source('file', true, { b: { command: 'b', args: ['--new'] } })];
    const { problems } = await servers.read();
    expect(problems).toEqual([{ name: 'b', problem: 'The server of file waits until you have allowed it.' }]);
    await Promise.resolve();
    expect(changes).toEqual(['changed']);
    expect(await names(servers)).toEqual(['b']);
    answer = false;
    sources = [source('file', true, { b: { command: 'evil' } })];
    await servers.read();
    expect(await names(servers)).toEqual([]);
    expect(questions).toEqual(['file: b?', 'file: b?', 'file: b?']);
  });

  test('get their inputs, asked once, and only among the secrets', async () => {
    sources = [
      source('file', false, {
        inputs: [{ id: 'key', type: 'promptString', description: 'Key of the service', password: true }],
        servers: {
          s: { url: 'https://s.example/mcp', headers: { Authorization: 'Bearer ${input:key}', 'X-A': 'b' } },
        },
      }),
    ];
    const servers = new ServerSources(host);
    answer = 'secret value';
    const first = await servers.read();
    expect(first.problems).toEqual([{ name: 's', problem: 'It waits for the input "key".' }]);
    expect(await servers.secrets(first.servers)).toEqual({ s: { 'X-A': 'b' } });
    const second = await servers.read();
    expect(second.problems).toEqual([]);
    expect(await servers.secrets(second.servers)).toEqual({
      s: { Authorization: 'Bearer secret value', 'X-A': 'b' },
    });
    expect(JSON.stringify(second.servers)).not.toContain('secret value');
    expect(questions).toEqual(['file: Key of the service']);
  });
});
