import { describe, expect, it } from 'vitest';
import { stateDirectory, workspaceKey } from './stateDirectory.ts';

describe('state directory', () => {
  it('is one for a workspace, whatever the order of its folders', () => {
    expect(workspaceKey(undefined, ['/b', '/a'])).toBe(workspaceKey(undefined, ['/a', '/b']));
    expect(workspaceKey(undefined, ['/a'])).toMatch(/^[0-9a-f]{16}$/);
    expect(workspaceKey(undefined, ['/a'])).not.toBe(workspaceKey(undefined, ['/b']));
    expect(workspaceKey('/x.code-workspace', ['/a'])).toBe(workspaceKey('/x.code-workspace', ['/b']));
    expect(workspaceKey(undefined, [])).toBe('empty');
  });

  it('is the configured one, if that is absolute', () => {
    const input = { globalStoragePath: '/g', workspaceFile: undefined, folders: ['/a'] };
    expect(stateDirectory({ ...input, configured: '/state' })).toBe('/state');
    expect(stateDirectory({ ...input, configured: '' })).toBe(
      `/g/workspaces/${workspaceKey(undefined, ['/a'])}`,
    );
    expect(() => stateDirectory({ ...input, configured: 'state' })).toThrow(/absolute/);
  });
});
