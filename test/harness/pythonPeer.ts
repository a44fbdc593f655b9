import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repo } from './paths.ts';

/** Debian's own: another Python on the PATH has not Debian's packages. */
export const python = '/usr/bin/python3';
const run = promisify(execFile);

/** Runs a script of test/conformance; resolves with what it prints, also where it fails. */
export async function runPython(
  script: string,
  args: readonly string[],
  timeoutMs = 50_000,
): Promise<string> {
  const path = join(repo, 'test/conformance', script);
  const running = run(python, [path, ...args], { timeout: timeoutMs });
  const { stdout, stderr } = await running.catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  return stdout === '' ? `FAILED: ${stderr}` : stdout;
}

/**
 * Makes stubs of our protos. gRPC's own go under another package name: `grpc` is that of the library.
 */
export function makePythonStubs(folder: string): void {
  const ours = ['common', 'orchestrator', 'agent', 'gateway'].map((name) => `${name}/v1/${name}.proto`);
  generatePython(join(repo, 'proto'), ours, folder);
  for (const [from, to] of [
    ['grpc/health/v1/health.proto', 'grpc_health/health.proto'],
    ['grpc/reflection/v1/reflection.proto', 'grpc_reflection_v1/reflection.proto'],
    ['grpc/reflection/v1alpha/reflection.proto', 'grpc_reflection_v1alpha/reflection.proto'],
  ] as const) {
    const sources = join(folder, 'sources');
    mkdirSync(join(sources, to, '..'), { recursive: true });
    cpSync(join(repo, 'proto', from), join(sources, to));
    generatePython(sources, [to], folder);
  }
}

/** Python's code for protocol files below `root`, into a folder. */
export function generatePython(root: string, files: readonly string[], out: string): void {
  execFileSync(python, [
    ...['-m', 'grpc_tools.protoc', '-I', root],
    ...[`--python_out=${out}`, `--grpc_python_out=${out}`, ...files],
  ]);
}
