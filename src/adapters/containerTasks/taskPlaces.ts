import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import type { TaskPaths } from '../../core/containerTasks/containerTaskSpec.ts';
import type { ContainerTaskPlaces, TaskEndpoint } from '../../core/ports/containerTasks.ts';
import { podCall, taskRequest } from './taskHttp.ts';

/** sun_path holds 104 bytes on macOS, 108 on Linux. */
const socketPathLimit = 100;

const endpoint = z.object({ runId: z.string(), callbackUrl: z.string(), token: z.string() });

/** The tasks' folders below the state directory, which is private to this user. */
export function createTaskPlaces(
  stateDir: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ContainerTaskPlaces {
  const pathsOf = (taskId: string): TaskPaths => taskPaths(stateDir, taskId, env);
  return {
    async prepare(taskId) {
      const paths = pathsOf(taskId);
      // Each of its parents is made private too: recursive mode would leave that to the umask.
      for (const folder of privateFolders(stateDir, paths)) await makePrivate(folder);
      return paths;
    },
    async makeFolder(path) {
      await mkdir(path, { recursive: true });
    },
    async readEndpoint(taskId) {
      return readEndpoint(pathsOf(taskId).endpointFile);
    },
    async clear(taskId) {
      const { endpointFile, socketFolder, apiSocket } = pathsOf(taskId);
      await rm(endpointFile, { force: true });
      if (process.platform === 'win32') return;
      await rm(apiSocket, { force: true });
      // The folder stays: a container that waits for the next execution has it mounted.
      for (const name of await namesIn(socketFolder)) {
        await rm(join(socketFolder, name), { recursive: true, force: true });
      }
    },
    async remove(taskId) {
      const { folder, socketFolder } = pathsOf(taskId);
      await rm(folder, { recursive: true, force: true });
      // Where the sockets have a folder of their own, because the path of the other one is too long.
      if (process.platform !== 'win32') await rm(dirname(socketFolder), { recursive: true, force: true });
    },
    request(taskId, request) {
      return taskRequest({ socketPath: pathsOf(taskId).apiSocket }, request);
    },
    podCall(address, request) {
      return podCall(address, request);
    },
  };
}

/** Names are hashes: ids may differ by case only, and the path of a socket is short. */
function taskPaths(
  stateDir: string,
  taskId: string,
  env: Readonly<Record<string, string | undefined>>,
): TaskPaths {
  const name = hash(taskId);
  const folder = join(stateDir, 'tasks', name);
  const endpointFile = join(folder, 'endpoint.json');
  if (process.platform === 'win32') {
    const pipe = String.raw`\\.\pipe\orchestration-workbench-task-${hash(stateDir + taskId)}`;
    return { folder, socketFolder: folder, socket: pipe, apiSocket: `${pipe}-api`, endpointFile };
  }
  const local = join(folder, 'ipc', 'callback.sock');
  const base = env['XDG_RUNTIME_DIR'] ?? '';
  const sockets =
    Buffer.byteLength(local) <= socketPathLimit
      ? folder
      : join(
          base === '' ? tmpdir() : base,
          `orchestration-workbench-${userInfo().uid}`,
          hash(stateDir + taskId),
        );
  const socketFolder = join(sockets, 'ipc');
  return {
    folder,
    socketFolder,
    socket: join(socketFolder, 'callback.sock'),
    apiSocket: join(sockets, 'api.sock'),
    endpointFile,
  };
}

function privateFolders(stateDir: string, { folder, apiSocket }: TaskPaths): readonly string[] {
  const own = [join(stateDir, 'tasks'), folder];
  if (process.platform === 'win32') return own;
  const sockets = join(apiSocket, '..');
  return sockets === folder ? own : [...own, join(sockets, '..'), sockets];
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    // Never made: the task was not started yet.
    return [];
  }
}

/** The one below /tmp may have been made by somebody else, to read along. Error: `state_dir_unsafe`. */
async function makePrivate(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (process.platform === 'win32') return;
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'state_dir_unsafe',
      `${path} is ${found.isDirectory() ? 'owned by another user' : 'not a folder'}. Container tasks need a folder of their own there: move it away.`,
      { details: { path } },
    );
  }
  if ((found.mode & 0o077) !== 0) await chmod(path, 0o700);
}

async function readEndpoint(path: string): Promise<TaskEndpoint | undefined> {
  try {
    const parsed = z.safeParse(endpoint, JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Not there, or its worker is just removing it.
    return undefined;
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
