// A Debian root with Python 3 and requests, and a bridge of the tests' own. Linux, as root.
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestEngine } from './dockerEngine.ts';

export const pythonImage = 'workbench-python:latest';

const packages = ['requests', 'urllib3', 'idna', 'certifi', 'chardet', 'charset_normalizer', 'six.py'];

/** Makes the image of this machine's own Debian Python, which takes a second where a debootstrap takes a minute. */
export async function importPythonImage(engine: TestEngine): Promise<void> {
  installPython();
  const root = join(engine.folder, 'python-root');
  const copy = (path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    cpSync(path, join(root, path), { recursive: true, dereference: true });
  };
  const python = realpathSync('/usr/bin/python3');
  const library = join('/usr/lib', python.slice(python.lastIndexOf('/') + 1));
  for (const name of ['tmp', 'etc', 'proc', 'sys', 'dev', 'run'])
    mkdirSync(join(root, name), { recursive: true });
  copy(python);
  symlinkSync(python, join(root, '/usr/bin/python3'));
  copy(library);
  for (const name of packages) {
    const path = join('/usr/lib/python3/dist-packages', name);
    if (existsSync(path)) copy(path);
  }
  for (const path of sharedLibraries([python, ...globSync(join(library, 'lib-dynload/*.so'))])) copy(path);
  const client = engine.client();
  try {
    await client.importImage({ path: root, tag: pythonImage });
  } finally {
    client.dispose();
    rmSync(root, { recursive: true, force: true });
  }
}

/** The default network of an engine; the address of this machine in it is `gateway`. */
export class TestBridge implements Disposable {
  readonly name = `owbr${randomInt(1_000, 9_999)}`;
  readonly gateway = `10.${randomInt(64, 250)}.255.1`;

  constructor() {
    execFileSync('ip', ['link', 'add', 'name', this.name, 'type', 'bridge']);
    execFileSync('ip', ['address', 'add', `${this.gateway}/24`, 'dev', this.name]);
    execFileSync('ip', ['link', 'set', this.name, 'up']);
  }

  [Symbol.dispose](): void {
    execFileSync('ip', ['link', 'delete', this.name]);
  }
}

function sharedLibraries(programs: readonly string[]): ReadonlySet<string> {
  const text = execFileSync('ldd', programs, { encoding: 'utf8' });
  return new Set([...text.matchAll(/(\/\S+\.so\S*) \(0x/g)].map(([, path = '']) => path));
}

function installPython(): void {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import requests'], { stdio: 'pipe' });
  } catch {
    const script =
      'apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-requests iproute2';
    execFileSync('sh', ['-c', script], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 300_000,
    });
  }
}
