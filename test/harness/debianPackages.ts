// What tests need of Debian's packages, installed where it is not there. Needs root then.
import { execFileSync, spawnSync } from 'node:child_process';

/** Installs the packages unless every one of the programs is there. */
export function needPrograms(programs: readonly string[], packages: readonly string[]): void {
  const areThere = programs
    .map((program) => `command -v ${program}`)
    .concat('true')
    .join(' && ');
  if (spawnSync('sh', ['-c', areThere], { stdio: 'ignore' }).status === 0) return;
  const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(' ')}`;
  // Files of tests run side by side, and apt-get refuses a second one of itself.
  execFileSync('flock', ['/tmp/ow-apt.lock', 'sh', '-c', `{ ${areThere}; } || { ${install}; }`], {
    // Runlevel 1: no service is started for having been installed.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
  });
}
