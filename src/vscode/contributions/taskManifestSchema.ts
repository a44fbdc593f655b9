import * as z from 'zod/mini';
import { containerTaskManifest } from '../../protocol/containerTaskManifest.ts';

type JsonSchema = { [name: string]: unknown };

/** What completion shows beside a name, by where it stands; `[]` are the elements of a list. */
const descriptions: Readonly<Record<string, string>> = {
  id: 'The id of the task, which its program gets as ORCA_TASK_ID. One task of an id in a workspace.',
  name: 'What people call it.',
  requirements: 'What it needs, e.g. {"type": "ADDON", "value": "ORCA_TASK"}.',
  requirementsTags: 'Another name for requirements.',
  executable: 'The program of the task on this machine: a JavaScript file, or any command.',
  'executable.file': 'A JavaScript file, relative to this manifest. It is given `namespace`.',
  'executable.args': 'Arguments of the program.',
  'executable.command': 'The program and its arguments.',
  image: 'Short for a container with nothing else.',
  container: 'The container that is the task, or that its executable calls.',
  'container.image': 'Full name of the image, e.g. docker.io/library/python:3.',
  'container.entrypoint': "Over the image's own entry point.",
  'container.command': "Over the image's own command.",
  'container.workingDirectory': 'Absolute path in the container.',
  'container.network': '`none` leaves only the Unix socket of IPC_SOCKET_PATH.',
  'container.podPort': 'The port on which it answers podCall, published on loopback; null publishes nothing.',
  'container.mounts': 'Folders and files of this machine that it sees.',
  'container.mounts.[].source': 'Path on this machine, relative to this manifest.',
  'container.mounts.[].target': 'Absolute path in the container.',
  'container.mounts.[].isReadOnly': 'It cannot change what is mounted.',
  'container.cpus': 'Processors, whole and parts.',
  'container.memoryBytes': 'Memory at most, in bytes.',
  'container.pidsLimit': 'Processes at most.',
  pod: 'Instead of a container: a Kubernetes v1 Pod with one container called user-<id>.',
  environment: 'All variables that the program gets, besides a few that it cannot do without.',
  inheritedEnvironment: 'Names of variables that are passed on at each start, e.g. of secrets.',
  restart: 'When it is started again.',
  'restart.mode': '`on-failure`: success ends it. `always`: success starts it again too.',
  'restart.maxFailures': 'Failures in a row before it is given up.',
  'restart.initialDelayMs': 'Before the first retry, in milliseconds; it doubles with each failure in a row.',
  'restart.maxDelayMs': 'The longest wait between tries, in milliseconds.',
  'restart.stableAfterMs': 'After so many milliseconds of running the count of failures begins anew.',
  timeoutMs: 'One execution at most, in milliseconds.',
  publicApi: 'Whether routes that the executable registers are served to others.',
};

/** The JSON Schema of a task's manifest, made of what parses it, for the editor's completion. */
export function taskManifestSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(containerTaskManifest, { io: 'input', target: 'draft-7' });
  const unused = new Set(Object.keys(descriptions));
  describe(schema, '', unused);
  if (unused.size > 0) throw new Error(`The manifest has no ${[...unused].join(', ')}.`);
  return { ...schema, title: 'Container task' };
}

/** Adds what is said of each name, in all forms that a value may have. */
function describe(schema: JsonSchema, place: string, unused: Set<string>): void {
  const below = (name: string): string => (place === '' ? name : `${place}.${name}`);
  for (const [name, child] of Object.entries(isSchema(schema['properties']) ? schema['properties'] : {})) {
    if (!isSchema(child)) continue;
    const text = descriptions[below(name)];
    if (text !== undefined) {
      child['description'] = text;
      unused.delete(below(name));
    }
    describe(child, below(name), unused);
  }
  if (isSchema(schema['items'])) describe(schema['items'], below('[]'), unused);
  for (const form of Array.isArray(schema['anyOf']) ? (schema['anyOf'] as unknown[]) : []) {
    if (isSchema(form)) describe(form, place, unused);
  }
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
