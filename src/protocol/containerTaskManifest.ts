import * as z from 'zod/mini';
import { OrchestratorError } from '../base/errors.ts';
import { containerOfPod, pod } from './taskPod.ts';

/**
 * The manifest of a container task, as a person writes it (docs/container-tasks.md). Unknown names are refused, so that
 * a misspelt limit is not taken for none.
 */

const argument = z.string().check(z.maxLength(32_768));
const variableName = z.string().check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'));
const path = z.string().check(z.minLength(1), z.maxLength(4_096));
const milliseconds = z.int().check(z.minimum(0), z.maximum(2 ** 31 - 1));

const requirement = z.object({
  type: z.string(),
  value: z.string(),
  description: z.optional(z.string()),
});

const executable = z.union([
  path,
  z.strictObject({ type: z.literal('node'), file: path, args: z.optional(z.array(argument)) }),
  z.strictObject({ type: z.literal('command'), command: z.array(argument).check(z.minLength(1)) }),
]);

const container = z.strictObject({
  image: z.string().check(z.minLength(1), z.maxLength(500)),
  entrypoint: z.optional(z.array(argument)),
  command: z.optional(z.array(argument)),
  workingDirectory: z.optional(path),
  network: z.optional(z.enum(['bridge', 'none'])),
  podPort: z.optional(z.nullable(z.int().check(z.minimum(1), z.maximum(65_535)))),
  mounts: z.optional(
    z.array(
      z.strictObject({
        source: path,
        target: path,
        isReadOnly: z.optional(z.boolean()),
        isMade: z.optional(z.boolean()),
      }),
    ),
  ),
  cpus: z.optional(z.number().check(z.positive())),
  memoryBytes: z.optional(z.int().check(z.positive())),
  pidsLimit: z.optional(z.int().check(z.positive())),
});
export type ManifestContainer = z.infer<typeof container>;

const restartMode = z.enum(['never', 'on-failure', 'always']);
const restart = z.union([
  restartMode,
  z.strictObject({
    mode: z.optional(restartMode),
    maxFailures: z.optional(z.int().check(z.minimum(0))),
    initialDelayMs: z.optional(milliseconds),
    maxDelayMs: z.optional(milliseconds),
    stableAfterMs: z.optional(milliseconds),
  }),
]);

/** What it may hold; its JSON Schema helps who writes one. */
export const containerTaskManifest = z.strictObject({
  id: z
    .string()
    .check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be 1 to 100 letters, digits, ".", "_" or "-"')),
  name: z.string().check(z.minLength(1), z.maxLength(120)),
  requirements: z.optional(z.array(requirement)),
  /** The node's own name for it. */
  requirementsTags: z.optional(z.array(requirement)),
  executable: z.optional(executable),
  image: z.optional(container.shape.image),
  container: z.optional(container),
  pod: z.optional(pod),
  environment: z.optional(z.record(variableName, z.string())),
  inheritedEnvironment: z.optional(z.array(variableName)),
  restart: z.optional(restart),
  timeoutMs: z.optional(z.int().check(z.minimum(1), z.maximum(2 ** 31 - 1))),
  publicApi: z.optional(z.boolean()),
});

/**
 * What a manifest says, with everything that it leaves out filled in.
 * @param value the parsed JSON.
 * @param resolvePath makes a path absolute that is relative to the manifest.
 * @throws OrchestratorError `invalid_request`, naming what is wrong and where.
 */
export function parseContainerTaskManifest(value: unknown, resolvePath: (path: string) => string) {
  const parsed = z.safeParse(containerTaskManifest, value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw issue === undefined
      ? invalidManifest('it is not understood')
      : invalidManifest(whatIsWrong(issue), placeOf(issue));
  }
  const source = parsed.data;
  const declared = [source.image, source.container, source.pod].filter((one) => one !== undefined);
  if (declared.length > 1) throw invalidManifest('it names more than one of image, container and pod');
  if (declared.length === 0 && source.executable === undefined) {
    throw invalidManifest('it names neither an executable nor an image, a container or a pod');
  }
  const fromPod = source.pod === undefined ? undefined : containerOfPod(source.pod, source.id);
  const own =
    fromPod?.container ??
    source.container ??
    (source.image === undefined ? undefined : { image: source.image });
  return {
    id: source.id,
    name: source.name,
    requirements: source.requirements ?? source.requirementsTags ?? [],
    executable: source.executable === undefined ? undefined : executableOf(source.executable, resolvePath),
    container: own === undefined ? undefined : containerOf(own, resolvePath),
    environment: { ...fromPod?.environment, ...source.environment },
    inheritedEnvironment: source.inheritedEnvironment ?? [],
    restart: restartOf(source.restart),
    timeoutMs: source.timeoutMs,
    publicApi: source.publicApi ?? false,
  };
}

function executableOf(source: z.infer<typeof executable>, resolvePath: (path: string) => string) {
  if (typeof source === 'string') return { type: 'node' as const, file: resolvePath(source), args: [] };
  if (source.type === 'command') return source;
  return { type: 'node' as const, file: resolvePath(source.file), args: source.args ?? [] };
}

function containerOf(source: ManifestContainer, resolvePath: (path: string) => string) {
  return {
    ...source,
    network: source.network ?? ('bridge' as const),
    podPort: source.podPort === undefined ? 8080 : source.podPort,
    mounts: (source.mounts ?? []).map((mount) => ({
      source: resolvePath(mount.source),
      target: mount.target,
      isReadOnly: mount.isReadOnly ?? false,
      isMade: mount.isMade ?? false,
    })),
  };
}

/** The numbers of contract 000, section 3, where the manifest has none. */
function restartOf(source: z.infer<typeof restart> | undefined) {
  const given = typeof source === 'string' ? { mode: source } : (source ?? {});
  return {
    mode: given.mode ?? ('on-failure' as const),
    maxFailures: 'maxFailures' in given ? given.maxFailures : undefined,
    initialDelayMs: ('initialDelayMs' in given ? given.initialDelayMs : undefined) ?? 2_000,
    maxDelayMs: ('maxDelayMs' in given ? given.maxDelayMs : undefined) ?? 300_000,
    stableAfterMs: ('stableAfterMs' in given ? given.stableAfterMs : undefined) ?? 18_000_000,
  };
}

function whatIsWrong(issue: z.core.$ZodIssue): string {
  const place = issue.path.length === 0 ? 'it' : issue.path.join('.');
  if (issue.code !== 'unrecognized_keys' && issue.message !== 'Invalid input')
    return `${place}: ${issue.message}`;
  if (issue.code === 'invalid_type') return `${place} must be ${article(issue.expected)}`;
  if (issue.code === 'invalid_value')
    return `${place} must be ${issue.values.map((word) => `"${String(word)}"`).join(' or ')}`;
  if (issue.code === 'unrecognized_keys') return `${place} has what is not known: ${issue.keys.join(', ')}`;
  if (issue.code === 'too_small') {
    return `${place} must be ${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}${unitOf(issue.origin)}`;
  }
  if (issue.code === 'too_big')
    return `${place} must be at most ${String(issue.maximum)}${unitOf(issue.origin)}`;
  return `${place}: it is not understood`;
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' long' : '';
}

function article(type: string): string {
  return type === 'int' ? 'a whole number' : `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`;
}

/** The names and numbers that lead to it. */
function placeOf(issue: z.core.$ZodIssue): readonly PropertyKey[] {
  return issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
}

/** @param place of it, for who shows the manifest: in the error's details. */
function invalidManifest(what: string, place: readonly PropertyKey[] = []): OrchestratorError {
  return new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    `The manifest of the task is not valid: ${what}.`,
    { details: { place } },
  );
}
