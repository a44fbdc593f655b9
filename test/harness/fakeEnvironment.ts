import { posix } from 'node:path';
import type { Environment } from '../../src/core/ports/environment.ts';

/** A machine with the directories /srv/app, /home/me and those of `directories`, and the shells sh and bash. */
export function createFakeEnvironment(directories: Iterable<string> = []): Environment {
  const known = (path: string): boolean =>
    path === '/srv/app' || path === '/home/me' || [...directories].includes(path);
  const shells = new Map(
    ['sh', 'bash', '/bin/sh', '/bin/bash'].map((name) => [
      name,
      `/bin/${name.slice(name.lastIndexOf('/') + 1)}`,
    ]),
  );
  return {
    platform: 'linux',
    isDirectory: (path) => Promise.resolve(known(path)),
    // Nothing here is a link.
    realPath: (path) => Promise.resolve(posix.normalize(path)),
    findProgram: (file) => Promise.resolve(shells.get(file)),
    defaultShell: () => '/bin/bash',
    defaultDirectory: () => '/home/me',
    childEnvironment: (extra = {}) => {
      const env: Record<string, string> = { TERM: 'xterm-256color' };
      for (const [name, value] of Object.entries(extra)) if (value !== null) env[name] = value;
      return env;
    },
  };
}
