import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEnvironment, variable } from './childEnvironment.ts';
import { createSystemEnvironment } from './systemEnvironment.ts';

const version = '1.2.3';
const ours = {
  TERM: 'xterm-256color',
  COLORTERM: 'truecolor',
  TERM_PROGRAM: 'orchestration-workbench',
  TERM_PROGRAM_VERSION: version,
};

describe('childEnvironment', () => {
  it('keeps what is the user’s', () => {
    const inherited = {
      PATH: '/bin',
      HOME: '/home/me',
      LANG: 'de_DE.UTF-8',
      SSH_AUTH_SOCK: '/run/ssh',
      GIT_ASKPASS: '/home/me/bin/askpass.sh',
      NODE_OPTIONS: '--max-old-space-size=4096',
      SNAPSHOT: '1',
      NODE_ENV: 'test',
      nothing: undefined,
    };
    const { nothing: _nothing, ...kept } = inherited;
    expect(childEnvironment({ inherited, version, platform: 'linux' })).toEqual({ ...kept, ...ours });
  });

  it('drops what belongs to the editor, to Electron, to another terminal and to us', () => {
    const inherited = {
      LC_ALL: 'C.UTF-8',
      VSCODE_IPC_HOOK: 'x',
      VSCODE_GIT_ASKPASS_NODE: 'x',
      VSCODE_INSPECTOR_OPTIONS: 'x',
      ELECTRON_RUN_AS_NODE: '1',
      CHROME_DESKTOP: 'code.desktop',
      SNAP: '/snap/code',
      SNAP_NAME: 'code',
      GDK_PIXBUF_MODULE_FILE: 'x',
      GTK_PATH: '/snap/code/gtk',
      GTK_PATH_VSCODE_SNAP_ORIG: '',
      XDG_DATA_DIRS: '/snap/code/share',
      XDG_DATA_DIRS_VSCODE_SNAP_ORIG: '/usr/share',
      ORIGINAL_XDG_CURRENT_DESKTOP: 'GNOME',
      XDG_CURRENT_DESKTOP: 'Unity',
      GIT_ASKPASS: '/usr/share/code/resources/app/extensions/git/dist/askpass.sh',
      NODE_OPTIONS: '--require /home/dev/.vscode/extensions/ms-vscode.js-debug/src/bootloader.js',
      NODE_CHANNEL_FD: '3',
      TMUX: '/tmp/tmux',
      TERM_PROGRAM: 'vscode',
      LINES: '50',
      ORCHESTRATOR_TOKEN: 'secret',
      ORCHESTRATOR_ID: 'id',
    };
    expect(childEnvironment({ inherited, version, platform: 'linux' })).toEqual({
      ...ours,
      LC_ALL: 'C.UTF-8',
      XDG_DATA_DIRS: '/usr/share',
      XDG_CURRENT_DESKTOP: 'GNOME',
    });
  });

  it('lets the caller set and remove variables last', () => {
    const extra = { TERM: 'dumb', PATH: null, A: '1' };
    const env = childEnvironment({
      inherited: { PATH: '/bin', LANG: 'C' },
      extra,
      version,
      platform: 'linux',
    });
    expect(env).toEqual({ ...ours, LANG: 'C', TERM: 'dumb', A: '1' });
  });

  it('speaks UTF-8 where no locale is set, and knows Windows’ names', () => {
    expect(childEnvironment({ inherited: {}, version, platform: 'linux' })['LANG']).toBe('C.UTF-8');
    expect(childEnvironment({ inherited: {}, version, platform: 'darwin' })['LANG']).toBe('en_US.UTF-8');
    const inherited = { Path: 'C:\\bin' };
    const env = childEnvironment({ inherited, extra: { PATH: 'D:\\' }, version, platform: 'win32' });
    expect(env).toEqual({ ...ours, PATH: 'D:\\' });
    expect(variable(inherited, 'PATH', 'win32')).toBe('C:\\bin');
  });
});

describe('the system', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'workbench-env-'));
    mkdirSync(join(folder, 'bin', 'folder'), { recursive: true });
    writeFileSync(join(folder, 'bin', 'program'), '#!/bin/sh\n');
    writeFileSync(join(folder, 'bin', 'text'), '');
    chmodSync(join(folder, 'bin', 'program'), 0o755);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const create = (env: Record<string, string> = {}): ReturnType<typeof createSystemEnvironment> =>
    createSystemEnvironment({ version, env });

  it('knows directories', async () => {
    const environment = create();
    expect(await environment.isDirectory(folder)).toBe(true);
    expect(await environment.isDirectory(join(folder, 'bin', 'program'))).toBe(false);
    expect(await environment.isDirectory(join(folder, 'missing'))).toBe(false);
    expect(await environment.isDirectory('\0')).toBe(false);
  });

  it('finds programs, on the PATH or by their path', async () => {
    const environment = create();
    const env = { PATH: `/nowhere:${join(folder, 'bin')}` };
    const program = join(folder, 'bin', 'program');
    const find = (file: string): Promise<string | undefined> => environment.findProgram(file, env, folder);
    expect(await find('program')).toBe(program);
    expect(await find('bin/program')).toBe(program);
    expect(await find(program)).toBe(program);
    for (const missing of ['text', 'folder', 'nothing', 'program/', '', 'a\0b']) {
      expect(await find(missing)).toBeUndefined();
    }
  });

  it('takes a shell that commands can be typed into', () => {
    expect(create({ SHELL: '/bin/sh' }).defaultShell()).toBe('/bin/sh');
    expect(create({ SHELL: '/usr/sbin/nologin' }).defaultShell()).toMatch(/\/(?:ba|z|da)?sh$/);
    expect(create({ SHELL: '/nowhere/zsh' }).defaultShell()).not.toContain('nowhere');
  });
});
