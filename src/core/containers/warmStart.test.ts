import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EngineImage } from '../ports/containerEngine.ts';
import { isPoolable, programOf, startScript } from './warmStart.ts';

const text = fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0') && word.isWellFormed());

describe('what a waiting shell is told', () => {
  it('arrives word for word, whatever stands in it', () => {
    const name = fc.stringMatching(/^[A-Z]{1,8}$/).map((letters) => `T_${letters}`);
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 4 }),
        fc.dictionary(name, text, { maxKeys: 4 }),
        (words, env) => {
          const show = 'JSON.stringify([process.argv.slice(1), process.env])';
          const program = [process.execPath, '-e', `process.stdout.write(${show})`, '--', ...words];
          const told = execFileSync('/bin/sh', {
            input: startScript(program, env),
            env: {},
            encoding: 'utf8',
          });
          const [argv, environment] = JSON.parse(told) as [string[], Record<string, string>];
          expect(argv).toEqual(words);
          for (const [key, value] of Object.entries(env)) expect(environment[key]).toBe(value);
        },
      ),
      { numRuns: 20 },
    );
  }, 30_000);

  it('is what the engine would start', () => {
    const start = { entrypoint: ['/entry', 'fixed'], command: ['preset'] };
    const image: EngineImage = { id: 'i', tags: [], sizeBytes: 0, createdAt: 0, labels: {}, start };
    const base = { sessionId: 's', image: 'i' };
    expect(programOf(base, image)).toEqual(['/entry', 'fixed', 'preset']);
    expect(programOf({ ...base, command: ['own'] }, image)).toEqual(['/entry', 'fixed', 'own']);
    expect(programOf({ ...base, entrypoint: ['/other'] }, image)).toEqual(['/other']);
    expect(programOf(base, { ...image, start: { entrypoint: [], command: [] } })).toBeUndefined();
    expect(programOf({ ...base, entrypoint: ['-c'] }, image)).toBeUndefined();
  });

  it.each([
    { isWarmable: undefined },
    { tty: true },
    { openInput: true },
    { restart: { name: 'always' as const, maximumRetryCount: 0 } },
    { ports: [{ containerPort: 80, hostPort: 8080, protocol: 'tcp' as const, hostIp: '' }] },
    { env: { 'not.a.name': 'x' } },
  ])('cannot be %j', (more) => {
    const request = { sessionId: 's', image: 'i', isWarmable: true };
    expect(isPoolable(request)).toBe(true);
    expect(isPoolable({ ...request, ...more })).toBe(false);
  });
});
