import { expect, it } from 'vitest';
import { findServingCore } from './coreDiscovery.ts';
import type { ServingCore } from './coreHolder.ts';

function core(stateDir: string, folders?: string[]): ServingCore {
  const holder = { pid: 1, label: 'x', kind: 'vscode', startedAt: 0 } as const;
  return { stateDir, holder: folders === undefined ? holder : { ...holder, folders } };
}

const outer = core('/state/a', ['/work']);
const inner = core('/state/b', ['/work/api', '/other']);
const old = core('/state/c');
const cores = [outer, inner, old, core('/state/d', ['/work/api'])];

it.each([
  ['/work', outer],
  ['/work/web/src', outer],
  ['/work/api', inner],
  ['/work/api/src', inner],
  ['/work/api-gateway', outer],
  ['/other/x', inner],
  ['/state/c/host-v1', old],
  ['/workshop', undefined],
  ['/', undefined],
])('finds whose folder %s is in, the deepest', (directory, expected) => {
  expect(findServingCore(directory, cores)).toBe(expected);
});

it('takes a root folder as what contains everything', () => {
  const root = core('/state/r', ['/']);
  expect(findServingCore('/anywhere', [root])).toBe(root);
});
