import { describe, expect, it } from 'vitest';
import { jsonErrorAt, placeInJson } from './jsonPlace.ts';

const text = `{
  "id": "a",
  "container": { "image": "x", "mounts": [{ "source": "/a" }, { "source": 5 }], "c\\u0070us": -1 },
  "command": ["a", "b"]
}
`;
const at = (...path: PropertyKey[]): string | undefined => {
  const span = placeInJson(text, path);
  return span === undefined ? undefined : text.slice(span.from, span.to);
};

describe('a place in JSON', () => {
  it('is the name of a property, or an element', () => {
    expect(at('id')).toBe('"id"');
    expect(at('container', 'mounts', 1, 'source')).toBe('"source"');
    expect(placeInJson(text, ['container', 'mounts', 1, 'source'])?.from).toBe(text.lastIndexOf('"source"'));
    expect(at('container', 'cpus')).toBe('"c\\u0070us"');
    expect(at('command', 1)).toBe('"b"');
    expect(at('container', 'mounts', 0)).toBe('{');
  });

  it('of what is not there is that of what is around it', () => {
    expect(at('name')).toBe('{');
    expect(at('container', 'podPort')).toBe('"container"');
    expect(at()).toBe('{');
    expect(placeInJson('', [])).toEqual({ from: 0, to: 1 });
  });

  it('that is broken is told', () => {
    expect(jsonErrorAt(text)).toBeUndefined();
    for (const good of ['1', ' [] ', '{"a":[true,null,-1.5e3]}', '"\\u00e4"']) {
      expect(jsonErrorAt(good), good).toBeUndefined();
    }
    expect(jsonErrorAt('{"a": 1,}')).toBe(8);
    expect(jsonErrorAt('{"a" 1}')).toBe(5);
    expect(jsonErrorAt('[1, 2')).toBe(5);
    expect(jsonErrorAt('{} x')).toBe(3);
    expect(jsonErrorAt('01')).toBe(0);
    expect(jsonErrorAt('"a\nb"')).toBe(0);
    expect(jsonErrorAt('['.repeat(100_000))).toBe(201);
  });
});
