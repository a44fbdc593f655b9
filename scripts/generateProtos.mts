// Writes src/protocol/gen from proto/: code by buf and ts-proto, and the descriptors that reflection answers with.
// With --check it changes nothing, lints, looks for breaking changes against proto/baseline.binpb, and fails when the
// generated code is not that of proto/. With --baseline it takes proto/ as what later changes must not break.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const repo = join(import.meta.dirname, '..');
const generated = join(repo, 'src/protocol/gen');
const baseline = join(repo, 'proto/baseline.binpb');
/** The service of the interoperability tests, whose code is for them alone. */
const testing = { sources: 'test/conformance/proto', generated: join(repo, 'test/conformance/gen') };
/** Of what the code was made and what was made: the check compares these instead of generating anew. */
const stampFile = 'stamp.json';
/** baaaht's documentation calls its services with this before the package (docs/grpc.md). */
const aliasPrefix = 'proto.';
const aliased = [
  'orchestrator',
  'agent',
  'gateway',
  'llm',
  'tool',
  'session',
  'terminal',
  'run',
  'event',
  'container',
  'containertask',
].map((name) => `${name}.v1`);

/** Where every 64-bit integer is a plain number (`jstype = JS_NUMBER`). */
const withPlainNumbers = ['session', 'terminal', 'run', 'event', 'container', 'containertask'].map(
  (name) => `${name}/v1/${name}.ts`,
);

interface Stamp {
  readonly sources: string;
  readonly generated: string;
}

function buf(...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync('buf', args, { cwd: repo, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`buf ${args[0] ?? ''}: ${stdout}${stderr}`);
}

function filesBelow(folder: string, isWanted: (name: string) => boolean): string[] {
  return readdirSync(join(repo, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isWanted(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function hash(files: readonly string[], base: string, more: readonly string[] = []): string {
  const sum = createHash('sha256');
  for (const file of files) sum.update(`${file.slice(base.length)}\n`).update(readFileSync(file));
  for (const text of more) sum.update(`${text}\n`);
  return sum.digest('hex');
}

function stampOf(folder: string): Stamp {
  const { devDependencies } = JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')) as {
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const tools = ['@bufbuild/buf', '@bufbuild/protobuf', 'ts-proto'].map(
    (name) => `${name} ${devDependencies[name] ?? ''}`,
  );
  const sources = [
    ...filesBelow('proto', (name) => name.endsWith('.proto')),
    join(repo, 'buf.gen.yaml'),
    join(repo, 'scripts/generateProtos.mts'),
  ];
  const made = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== stampFile)
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return { sources: hash(sources, repo, tools), generated: hash(made, folder) };
}

function generate(folder: string): void {
  const work = mkdtempSync(join(tmpdir(), 'protos-'));
  try {
    buf('generate', '--output', work);
    const image = join(work, 'image.binpb');
    buf('build', '--as-file-descriptor-set', '--exclude-source-info', '-o', image);
    const made = join(work, 'src/protocol/gen');
    for (const file of withPlainNumbers) dropRangeChecks(join(made, file));
    writeFileSync(join(made, 'descriptors.ts'), descriptorsModule(readFileSync(image)));
    writeFileSync(join(made, stampFile), `${JSON.stringify(stampOf(made), null, 2)}\n`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    cpSync(made, folder, { recursive: true });
    if (folder !== generated) return;
    buf('generate', testing.sources, '--template', 'buf.gen.yaml', '--output', join(work, 'testing'));
    rmSync(testing.generated, { recursive: true, force: true });
    cpSync(join(work, 'testing/src/protocol/gen'), testing.generated, { recursive: true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** ts-proto 2.18 compares optional fields as if they were bigint, which throws for a number; the writer checks itself. */
function dropRangeChecks(file: string): void {
  const code = readFileSync(file, 'utf8');
  writeFileSync(file, code.replaceAll(/^ *if \(BigInt\.asIntN\(64, [^]*?\n *\}\n/gm, ''));
}

function descriptorsModule(image: Uint8Array): string {
  const { file: files } = fromBinary(FileDescriptorSetSchema, image);
  const aliases = files
    .filter((file) => aliased.includes(file.package) && file.service.length > 0)
    .map((file) => ({
      ...file,
      name: `proto/${file.name}`,
      package: `${aliasPrefix}${file.package}`,
      dependency: [file.name, ...file.dependency],
      messageType: [],
      enumType: [],
    }));
  const entries = [...files, ...aliases].map((file) => {
    const symbols = [
      ...file.service.flatMap(({ name, method }) => [name, ...method.map((each) => `${name}.${each.name}`)]),
      ...file.messageType.flatMap((message) => symbolsOf(message)),
      ...file.enumType.map(({ name }) => name),
    ].map((name) => `${file.package}.${name}`);
    const bytes = Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64');
    return { name: file.name, dependencies: file.dependency, symbols, bytes };
  });
  return [
    '// Written by scripts/generateProtos.mts. Do not edit.',
    '',
    'export interface FileDescriptor {',
    '  readonly name: string;',
    '  readonly dependencies: readonly string[];',
    '  /** Full names of its services, methods, messages and enums. */',
    '  readonly symbols: readonly string[];',
    '  /** A serialized google.protobuf.FileDescriptorProto in base64. */',
    '  readonly bytes: string;',
    '}',
    '',
    'export const fileDescriptors: readonly FileDescriptor[] = [',
    ...entries.map((entry) => `  ${JSON.stringify(entry)},`),
    '];',
    '',
  ].join('\n');
}

function symbolsOf(message: DescriptorProto, outer = ''): string[] {
  const name = `${outer}${message.name}`;
  return [
    name,
    ...message.nestedType.flatMap((nested) => symbolsOf(nested, `${name}.`)),
    ...message.enumType.map((nested) => `${name}.${nested.name}`),
  ];
}

function check(): void {
  buf('format', '--diff', '--exit-code');
  buf('lint');
  buf('breaking', '--against', baseline);
  const { sources, generated: made } = JSON.parse(readFileSync(join(generated, stampFile), 'utf8')) as Stamp;
  const now = stampOf(generated);
  if (now.sources !== sources || now.generated !== made) {
    throw new Error('src/protocol/gen is not what proto/ makes. Run: npm run protos');
  }
}

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    baseline: { type: 'boolean', default: false },
    out: { type: 'string', default: generated },
  },
});
try {
  if (options.check) check();
  else generate(options.out);
  if (options.baseline) buf('build', '--exclude-source-info', '-o', baseline);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
