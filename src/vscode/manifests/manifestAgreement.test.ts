import { describe, expect, it } from 'vitest';
import { parseContainerTaskManifest } from '../../protocol/containerTaskManifest.ts';
import { whatManifestAsks } from './manifestAgreement.ts';

const asks = (more: object): string[] =>
  whatManifestAsks(parseContainerTaskManifest({ id: 'a', name: 'A', ...more }, (path) => `/w/${path}`));

describe('what a manifest asks for', () => {
  it('is nothing where it stays in its container', () => {
    expect(asks({ container: { image: 'x', network: 'none' } })).toEqual([]);
  });

  it('is named, all of it', () => {
    const mounts = [
      { source: 'in', target: '/in', isReadOnly: true },
      { source: 'out', target: '/out' },
    ];
    expect(
      asks({ executable: 'main.js', container: { image: 'x', mounts }, inheritedEnvironment: ['KEY', 'B'] }),
    ).toEqual([
      'It runs a program on this machine: /w/main.js',
      'Its container (x) uses the network.',
      'Its container reads /w/in',
      'Its container reads and changes /w/out',
      'It gets these variables of this machine: KEY, B',
    ]);
    expect(asks({ executable: { type: 'command', command: ['make', 'all'] } })).toEqual([
      'It runs a program on this machine: make all',
    ]);
  });
});
