import { describe, expect, it } from 'vitest';
import { taskOf } from './taskOf.ts';

const nothing = { words: [], task: undefined, steps: undefined, shell: undefined };

describe('taskOf', () => {
  it('makes one step of the words, for /bin/sh', () => {
    expect(taskOf({ ...nothing, words: ['sh', '-c', 'echo hi; exit 3'] })).toEqual({
      task: "sh -c 'echo hi; exit 3'",
      commands: ["sh -c 'echo hi; exit 3'"],
      shell: '/bin/sh',
    });
    expect(taskOf({ ...nothing, words: ['ls'], shell: 'zsh' }).shell).toBe('zsh');
  });

  it('leaves text to the shell of the user', () => {
    expect(taskOf({ ...nothing, task: 'a\nb' })).toEqual({
      task: 'a\nb',
      commands: undefined,
      shell: undefined,
    });
    expect(taskOf({ ...nothing, steps: ['a', 'b; c'] })).toEqual({
      task: 'a\nb; c',
      commands: ['a', 'b; c'],
      shell: undefined,
    });
    expect(taskOf({ ...nothing, task: '', shell: 'fish' }).shell).toBe('fish');
  });

  it('gives another engine its task as it is', () => {
    const engine = 'claude-code';
    expect(taskOf({ ...nothing, engine, words: ['fix', "it's broken"] }).task).toBe("fix it's broken");
    expect(taskOf({ ...nothing, engine, task: 'a\nb' })).toMatchObject({ task: 'a\nb', commands: undefined });
  });

  it.each([
    ['nothing', nothing],
    ['steps for an engine that has none', { ...nothing, engine: 'codex', steps: ['a'] }],
    ['two ways', { ...nothing, words: ['a'], task: 'b' }],
    ['words for a shell that quotes otherwise', { ...nothing, words: ['a'], shell: '/usr/bin/fish' }],
  ])('refuses %s', (_name, source) => {
    expect(() => taskOf(source)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
