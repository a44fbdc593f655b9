import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSessionFiles } from '../../src/adapters/system/sessionFiles.ts';
import { systemIds } from '../../src/base/ids.ts';
import type { WorkerEvent } from '../../src/core/ports/processHost.ts';
import type { ToolConstraints } from '../../src/core/tools/tool.ts';
import { noConstraints } from '../../src/core/tools/toolConstraints.ts';
import type { ToolServer } from '../../src/core/tools/toolServer.ts';
import { processesMarked, waitUntil } from '../harness/processes.ts';
import { tempDir } from '../harness/tempDir.ts';
import { buildHost, HostFixture } from './processHostHarness.ts';
import { everythingServer, hostileServer, never } from './toolHarness.ts';

describe('tools in a worker under the process host', () => {
  let dist: string;
  beforeAll(async () => {
    dist = await buildHost('1.0.0', 'test/integration/fixtures/toolWorker.ts');
  });
  afterAll(() => rmSync(dist, { recursive: true, force: true }));

  async function withWorker(
    spec: { servers: readonly ToolServer[]; constraints: ToolConstraints },
    use: (worker: {
      pid: number;
      tools: string[];
      call: (name: string, args: object) => Promise<unknown>;
      events: readonly WorkerEvent[];
    }) => Promise<void>,
  ): Promise<void> {
    await using folder = await tempDir('worker');
    const fixture = new HostFixture(dist);
    try {
      const host = fixture.client();
      await host.ensureConnected();
      const id = systemIds.uuidV7();
      const events: WorkerEvent[] = [];
      host.onDidReceiveWorkerEvent((event) => void events.push(event));
      const env = { PATH: process.env['PATH'] ?? '' };
      const { pid } = await host.startWorker({ id, kind: 'tools', spec: { ...spec, cwd: folder.path }, env });
      await host.followWorker(id, 0);
      const data = (type: string) => events.filter((event) => event.type === type).map((event) => event.data);
      const [first] = await waitUntil('the tools are open', () =>
        data('test.tools').length > 0 ? data('test.tools') : undefined,
      );
      await use({
        pid,
        events,
        tools: first?.['names'] as string[],
        async call(name, args) {
          const before = data('test.outcome').length;
          await host.commandWorker(id, { type: 'call', data: { name, arguments: args } });
          return waitUntil(`${name} answers`, () => data('test.outcome')[before]?.['outcome']);
        },
      });
    } finally {
      await fixture.dispose();
    }
  }

  test('kill -9 of it leaves no server behind, however stubborn', async () => {
    const mark = `killed-${process.pid}-${Date.now()}`;
    const env = { TEST_MARK: mark };
    const servers = [
      { ...everythingServer(), env },
      { ...hostileServer('stubborn'), env },
    ];
    await withWorker({ servers, constraints: noConstraints }, async ({ pid, call }) => {
      expect(await call('everything_echo', { message: 'up' })).toMatchObject({ kind: 'completed' });
      await waitUntil('all run', () => processesMarked('TEST_MARK', mark).length === 3);
      process.kill(pid, 'SIGKILL');
      await waitUntil('none is left', () => processesMarked('TEST_MARK', mark).length === 0);
    });
  });

  test('a command runs in a terminal that is told of, if it is named', async () => {
    await withWorker({ servers: [], constraints: noConstraints }, async ({ tools, call }) => {
      expect(tools).toEqual(['files_read_file', 'files_list_directory', 'files_search_text']);
      expect(await call('terminal_run_command', { command: 'true' })).toEqual({
        kind: 'skipped',
        provider: 'terminal',
        reason: 'filtered',
      });
    });
    const constraints = { mode: 'custom', providers: ['terminal'], tools: null } as const;
    await withWorker({ servers: [], constraints }, async ({ call, events }) => {
      const outcome = await call('terminal_run_command', {
        command: 'printf "\\033[31mred\\033[0m\\n"; exit 3',
      });
      expect(outcome).toMatchObject({ kind: 'completed', text: 'red\n\nExit code 3.' });
      expect(events.find(({ type }) => type === 'runner.terminal')?.data).toMatchObject({
        terminal_id: (outcome as { value: { terminal_id: string } }).value.terminal_id,
        shell: '/bin/sh',
      });
      const late = await call('terminal_run_command', { command: 'sleep 60', timeout_seconds: 1 });
      expect(late).toMatchObject({ text: 'It took too long and was ended.', value: { timed_out: true } });
      const flood = await call('terminal_run_command', { command: 'yes | head -c 5000000' });
      const { text } = flood as { text: string };
      expect(text.length).toBeLessThan(70 * 1024);
      expect(text).toMatch(/^\[the last 65536 of \d+ bytes\]/);
    });
  });
});

describe('files of a session', () => {
  test('are read, listed and searched below its directory, and nowhere else', async () => {
    await using folder = await tempDir('files');
    const root = join(folder.path, 'project');
    mkdirSync(join(root, 'src', 'deep'), { recursive: true });
    mkdirSync(join(folder.path, 'project-secret'));
    writeFileSync(join(folder.path, 'project-secret', 'key'), 'secret');
    writeFileSync(join(root, 'a.txt'), 'one\ntwo needle\nthree');
    writeFileSync(join(root, 'src', 'deep', 'b.txt'), 'needle');
    writeFileSync(join(root, 'binary'), Buffer.from([1, 0, 2]));
    symlinkSync(join(folder.path, 'project-secret'), join(root, 'out'));
    symlinkSync('/etc/passwd', join(root, 'passwd'));
    symlinkSync(join(root, 'a.txt'), join(root, 'inside'));
    const files = createSessionFiles(root);
    const all = { from: 1, count: 2_000 };
    expect(await files.readFile('a.txt', all)).toBe('one\ntwo needle\nthree');
    expect(await files.readFile('inside', all)).toContain('needle');
    expect(await files.readFile(join(realpathSync(root), 'a.txt'), { from: 2, count: 1 })).toBe(
      'two needle\n[lines 2 to 2 of 3]',
    );
    expect(await files.listDirectory('.')).toBe('a.txt\nbinary\ninside\nout\npasswd\nsrc/');
    expect(await files.searchText('needle', '.', 10, never)).toBe(
      'a.txt:2: two needle\nsrc/deep/b.txt:1: needle',
    );
    expect(await files.searchText('needle', '.', 1, never)).toContain('[the first 1 matches]');
    expect(await files.searchText('secret', '.', 10, never)).toBe('Nothing was found.');
    for (const path of [
      '../project-secret/key',
      '/etc/passwd',
      'out/key',
      'passwd',
      'src/../../project-secret/key',
      '/proc/self/environ',
      '..',
    ])
      await expect(files.readFile(path, all), path).rejects.toThrow('outside of the session');
    await expect(files.listDirectory('out')).rejects.toThrow('outside of the session');
    await expect(files.readFile('binary', all)).rejects.toThrow('is no text');
    await expect(files.readFile('missing', all)).rejects.toThrow('There is no missing');
    await expect(files.readFile('src', all)).rejects.toThrow(/no file|cannot be read/);
    await expect(files.readFile('a\0b', all)).rejects.toThrow('is no path');
  });
});
