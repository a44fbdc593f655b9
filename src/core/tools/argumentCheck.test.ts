import { describe, expect, test } from 'vitest';
import { checkArguments } from './argumentCheck.ts';

const schema = {
  type: 'object',
  required: ['to'],
  additionalProperties: false,
  properties: {
    to: {
      anyOf: [
        { type: 'string', minLength: 3 },
        { type: 'array', items: { type: 'string' } },
      ],
    },
    count: { type: 'integer', minimum: 1, exclusiveMaximum: 10 },
    kind: { enum: ['a', 'b'] },
    exact: { const: { x: 1 } },
    tree: { $ref: '#/$defs/tree' },
  },
  $defs: {
    tree: {
      type: 'object',
      properties: { child: { $ref: '#/$defs/tree' }, leaf: { type: ['string', 'null'] } },
    },
  },
};

describe('arguments of a tool', () => {
  test.each([
    [{ to: 'abc' }],
    [{ to: ['a', 'b'], count: 9, kind: 'b', exact: { x: 1 } }],
    [{ to: 'abc', tree: { child: { child: { leaf: null } } } }],
  ])('%j fit', (value) => {
    expect(checkArguments(schema, value)).toBeUndefined();
  });

  test.each([
    ['text', 'The arguments must be an object.'],
    [null, 'The arguments must be an object.'],
    [[], 'The arguments must be an object.'],
    [{}, '"to" is missing.'],
    [{ to: 'ab' }, '"to" must be at least 3 characters.'],
    [{ to: 'abc', more: 1 }, '"more" is not allowed.'],
    [{ to: 'abc', count: 1.5 }, '"count" must be integer.'],
    [{ to: 'abc', count: 10 }, '"count" must be less than 10.'],
    [{ to: 'abc', kind: 'c' }, '"kind" must be one of "a", "b".'],
    [{ to: 'abc', exact: { x: 2 } }, '"exact" must be {"x":1}.'],
    [{ to: 'abc', tree: { child: { leaf: 1 } } }, '"tree.child.leaf" must be string or null.'],
  ])('%j do not', (value, expected) => {
    expect(checkArguments(schema, value)).toBe(expected);
  });

  test('names of every object are nothing special', () => {
    const value = JSON.parse('{"to":"abc","__proto__":1}') as unknown;
    expect(checkArguments(schema, value)).toBe('"__proto__" is not allowed.');
    expect(checkArguments({ required: ['constructor'] }, {})).toBe('"constructor" is missing.');
  });

  test('a schema that goes in circles, or explodes, takes no time', () => {
    const circle = { $ref: '#' };
    expect(checkArguments(circle, {})).toBeUndefined();
    const half = { anyOf: [{ $ref: '#' }, { $ref: '#' }, { $ref: '#' }] };
    const began = performance.now();
    checkArguments(half, { a: 1 });
    expect(performance.now() - began).toBeLessThan(500);
    // A pattern that would take years is the server's own to run.
    const pattern = { properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
    expect(checkArguments(pattern, { a: `${'a'.repeat(10_000)}!` })).toBeUndefined();
  });
});
