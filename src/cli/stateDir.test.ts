import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stateDirOf } from './stateDir.ts';

describe('stateDirOf', () => {
  const fallback = `${homedir()}/.local/state/orchestration-workbench`;
  it.each([
    ['the option', 'x', { ORCHESTRATOR_STATE_DIR: '/env' }, resolve('x')],
    ['the variable', undefined, { ORCHESTRATOR_STATE_DIR: '/env', XDG_STATE_HOME: '/xdg' }, '/env'],
    [
      'the XDG folder',
      undefined,
      { ORCHESTRATOR_STATE_DIR: '', XDG_STATE_HOME: '/xdg' },
      '/xdg/orchestration-workbench',
    ],
    ['no relative XDG folder', undefined, { XDG_STATE_HOME: 'xdg' }, fallback],
    ['the home folder', '', {}, fallback],
  ])('takes %s', (_name, option, env, expected) => {
    expect(stateDirOf(option, env)).toBe(expected);
  });
});
