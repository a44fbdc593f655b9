import { describe, expect, it } from 'vitest';
import {
  describeDraft,
  emptyDraft,
  parseEnvironment,
  parsePorts,
  problemOf,
  readRecent,
  requestOf,
  withRecent,
} from './containerDraft.ts';
import { splitWords } from './words.ts';

const session = { id: 's1', cwd: '/work/api' };
const draft = emptyDraft('postgres:16');

describe('words of a command', () => {
  it.each([
    ['', []],
    ['  npm   start ', ['npm', 'start']],
    [`sh -c "npm ci && npm start"`, ['sh', '-c', 'npm ci && npm start']],
    [`echo 'a "b" \\' c\\ d`, ['echo', 'a "b" \\', 'c d']],
    [`echo "" a"b"c`, ['echo', '', 'abc']],
    [`"a \\"b\\""`, ['a "b"']],
  ])('%s', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it('with an open quote are refused', () => {
    expect(problemOf(splitWords)('sh -c "npm')).toContain('not closed');
  });
});

describe('ports', () => {
  it('are read as `docker run --publish` reads them, on loopback where nothing else is said', () => {
    expect(parsePorts('80, 8080:80 53:53/udp 0.0.0.0:443:443 [::1]:9:9')).toEqual([
      { containerPort: 80, hostPort: 0, protocol: 'tcp', hostIp: '' },
      { containerPort: 80, hostPort: 8080, protocol: 'tcp', hostIp: '' },
      { containerPort: 53, hostPort: 53, protocol: 'udp', hostIp: '' },
      { containerPort: 443, hostPort: 443, protocol: 'tcp', hostIp: '0.0.0.0' },
      { containerPort: 9, hostPort: 9, protocol: 'tcp', hostIp: '::1' },
    ]);
    expect(parsePorts('  ')).toEqual([]);
  });

  it.each(['http', '80:', '0', '70000', '80/sctp', '1:2:3'])('%s is refused', (text) => {
    expect(problemOf(parsePorts)(text)).toContain(text);
  });
});

describe('variables', () => {
  it('are read with their quotes', () => {
    expect(parseEnvironment(`A=1 B="two words" C= D=x=y`)).toEqual({
      A: '1',
      B: 'two words',
      C: '',
      D: 'x=y',
    });
  });

  it.each(['A', '=x', '1A=2'])('%s is refused', (text) => {
    expect(problemOf(parseEnvironment)(text)).toContain(text);
  });
});

describe('the request', () => {
  it('asks for nothing that was not chosen', () => {
    expect(requestOf(draft, session)).toEqual({
      sessionId: 's1',
      image: 'postgres:16',
      command: [],
      ports: [],
      env: {},
      network: 'none',
      mounts: [],
      tty: false,
      openInput: false,
      readOnlyRoot: false,
      removeOnStop: false,
      allow: { approved: true, network: false, publicPorts: true },
    });
  });

  it('grants exactly what was chosen', () => {
    const request = requestOf({ ...draft, ports: '5432', mount: 'readOnly', name: ' db ' }, session);
    expect(request).toMatchObject({
      name: 'db',
      network: 'bridge',
      mounts: [{ type: 'bind', source: '/work/api', target: '/workspace', readOnly: true }],
      workingDir: '/workspace',
      allow: { approved: true, network: true, publicPorts: true, paths: ['/work/api'] },
    });
  });
});

describe('recent choices', () => {
  const secret = { ...draft, environment: 'PASSWORD=hunter2 MODE=dev', command: 'postgres' };

  it('are kept without the values of variables', () => {
    const kept = withRecent([], secret);
    expect(JSON.stringify(kept)).not.toContain('hunter2');
    expect(kept[0]?.environment).toBe('PASSWORD= MODE=');
    expect(describeDraft(secret)).toBe('postgres · PASSWORD, MODE');
  });

  it('are the latest five, each once', () => {
    const images = ['a', 'b', 'c', 'a', 'd', 'e', 'f'];
    const recent = images.reduce((list, image) => withRecent(list, emptyDraft(image)), readRecent(undefined));
    expect(recent.map(({ image }) => image)).toEqual(['f', 'e', 'd', 'a', 'c']);
    expect(readRecent(recent)).toEqual(recent);
  });

  it('that are not what they should be are none', () => {
    expect(readRecent([{ image: 1 }])).toEqual([]);
    expect(readRecent('x')).toEqual([]);
  });
});
