import { describe, expect, it } from 'vitest';
import { OrchestratorError } from '../base/errors.ts';
import { notificationShapes, shapes } from './requests.ts';

const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const spawn = { id, file: 'sh', args: ['-c', ''], cwd: '/', env: { A: '' }, cols: 80, rows: 24 };

describe('requests', () => {
  it('are taken over without what they do not name', () => {
    expect(shapes.spawnTerminal({ ...spawn, more: 1 }, '')).toEqual(spawn);
    expect(shapes.spawnTerminal({ ...spawn, recordLimitBytes: undefined }, '')).toEqual(spawn);
    expect(shapes.killTerminal({ id, graceMs: 0 }, '')).toEqual({ id, graceMs: 0 });
    expect(shapes.commandWorker({ id, command: { type: 'a', data: { b: [1] } } }, '')).toEqual({
      id,
      command: { type: 'a', data: { b: [1] } },
    });
    expect(notificationShapes.ack({ stream: 1, offset: 2 }, '')).toEqual({ stream: 1, offset: 2 });
  });

  it.each([
    [undefined, 'it must be an object'],
    [[], 'it must be an object'],
    [{ ...spawn, id: '../../etc/passwd' }, 'id must be a lower-case UUID'],
    [{ ...spawn, id: `${id}\n` }, 'id must be'],
    [{ ...spawn, file: '' }, 'file must have 1'],
    [{ ...spawn, args: ['a', 'b\0'] }, 'args.1 must not contain a NUL'],
    [{ ...spawn, args: 'a' }, 'args must be a list'],
    [{ ...spawn, env: { 'A=': '' } }, 'env.A= must not'],
    [{ ...spawn, env: { A: 1 } }, 'env.A must be a text'],
    [{ ...spawn, cols: 0 }, 'cols must be a whole number'],
    [{ ...spawn, cols: 1.5 }, 'cols must be'],
    [{ ...spawn, rows: Number.NaN }, 'rows must be'],
    [{ ...spawn, rows: '24' }, 'rows must be'],
    [{ ...spawn, recordLimitBytes: 1 }, 'recordLimitBytes must be'],
  ])('%j are refused: %s', (params, message) => {
    const parse = (): unknown => shapes.spawnTerminal(params, '');
    expect(parse).toThrow(OrchestratorError);
    expect(parse).toThrow(message);
  });

  it('cannot reach the prototype of anything', () => {
    const env = shapes.spawnTerminal(
      JSON.parse(JSON.stringify(spawn).replace('"A":""', '"__proto__":"x"')),
      '',
    ).env;
    expect(Object.keys(env)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(env)).toBe(Object.prototype);
  });
});
