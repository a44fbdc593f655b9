import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { repo } from './paths.ts';

/** Where Debian's packages of Go libraries are. */
const debianGo = '/usr/share/gocode';

/**
 * Builds a program of one file with grpc-go. Go keeps what it has built, so that a second time takes none; the first
 * one takes a minute of one processor.
 *
 * @param generated a folder whose `src` holds generated packages that it imports.
 */
export function buildGoProgram(source: string, generated?: string): string {
  const cache = join(repo, '.cache/grpc-peer');
  mkdirSync(cache, { recursive: true });
  const program = join(cache, basename(source, '.go'));
  const go = ['/usr/bin/go', '/usr/local/go/bin/go'].find((path) => existsSync(path));
  if (go === undefined || !existsSync(join(debianGo, 'src/google.golang.org/grpc'))) {
    throw new Error(
      `${basename(source)} needs Go and grpc-go: apt-get install golang-go golang-google-grpc-dev`,
    );
  }
  const goPath = generated === undefined ? debianGo : [generated, debianGo].join(delimiter);
  execFileSync(go, ['build', '-o', program, source], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH: goPath, GOCACHE: join(cache, 'build'), GOFLAGS: '' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return program;
}
