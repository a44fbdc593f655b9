import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quotePosix } from './quotePosix.ts';
import {
  driverArguments,
  driverScript,
  programName,
  shellFamilyOf,
  singleCommandArguments,
} from './shellDriver.ts';

describe('shellFamilyOf', () => {
  it.each([
    ['/bin/bash', 'bash'],
    ['/usr/local/bin/zsh', 'zsh'],
    ['/bin/sh', 'posix'],
    ['/bin/busybox', 'posix'],
    ['C:\\Program Files\\Git\\bin\\bash.exe', 'bash'],
    ['/usr/bin/fish', undefined],
    ['/usr/bin/pwsh', undefined],
    ['/opt/constructor', undefined],
  ])('%s → %s', (shell, family) => {
    expect(shellFamilyOf(shell)).toBe(family);
  });
});

describe('arguments', () => {
  it('names the shell, so that its own messages do', () => {
    expect(driverArguments('/bin/dash', '/d/driver').slice(-2)).toEqual(['dash', '/d/driver']);
    expect(driverArguments('/bin/busybox', '/d/driver')[0]).toBe('sh');
    expect(programName('/usr/bin/Bash')).toBe('bash');
  });

  it('asks each unknown shell in its own way', () => {
    expect(singleCommandArguments('/usr/bin/fish', 'ls')).toEqual(['-c', 'ls']);
    expect(singleCommandArguments('/usr/bin/pwsh', 'ls')).toEqual(['-NoLogo', '-Command', 'ls']);
    expect(singleCommandArguments('C:\\Windows\\cmd.exe', 'dir')).toEqual(['/d', '/s', '/c', 'dir']);
  });
});

describe('quotePosix', () => {
  it('gives a shell exactly the text back', () => {
    const word = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.replaceAll('\0', ''));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        const script = `printf '%s\\0' ${words.map(quotePosix).join(' ')}`;
        const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
        expect(stdout.split('\0').slice(0, -1)).toEqual(words.map((text) => text.toWellFormed()));
      }),
      { numRuns: 25 },
    );
  });
});

describe('driverScript', () => {
  it('is a script that the shell can read, whatever the commands are', () => {
    const command = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }).map((text) => text.replaceAll('\0', '')),
      fc.constantFrom("echo 'it'", 'cat <<EOF\na\nEOF', '}', "'", '$(', '# comment', '\\', 'a\n}\nb'),
    );
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 5 }), (commands) => {
        for (const family of ['posix', 'bash', 'zsh', 'ksh', 'mksh'] as const) {
          const script = driverScript(family, commands, 'abc');
          const { status, stderr } = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
          expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        }
      }),
      { numRuns: 20 },
    );
  });

  it('shows a command, but lets it not speak to the terminal', () => {
    const script = driverScript('bash', ['echo \x1b]0;x\x07\x9b31m\r\ttab'], 'abc');
    expect(script).toContain('$ echo �]0;x��31m�\ttab');
  });

  it('shows a long command shortened', () => {
    const script = driverScript(
      'posix',
      [Array.from({ length: 50 }, (_, line) => `echo ${line}`).join('\n')],
      'n',
    );
    expect(script).toContain('echo 9 …');
    expect(script.split('echo 20')).toHaveLength(2);
  });

  it('keeps the nonce out of variables and of the environment', () => {
    const script = driverScript('bash', ['true', 'true'], 'thenonce');
    expect(script).not.toMatch(/=['"]?thenonce['"]?(?:\s|$)/m);
    expect(script).not.toContain('export');
  });
});
