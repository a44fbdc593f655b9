import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import type { TaskPaths } from '../../core/containerTasks/containerTaskSpec.ts';
import type { TaskEndpoint } from '../../core/ports/containerTasks.ts';

/** Removes what an execution that died has left, and makes the folder that the container is given. */
export async function prepareSockets(paths: TaskPaths): Promise<void> {
  if (process.platform === 'win32') return;
  await mkdir(paths.socketFolder, { recursive: true, mode: 0o711 });
  // The folder above it is private. In the container, root has no capabilities and may be none of our users: what it
  // is given must be open by itself.
  await chmod(paths.socketFolder, 0o711);
  await Promise.all([paths.socket, paths.apiSocket].map((path) => rm(path, { force: true })));
}

/** After the socket was made: whoever is given its folder may use it. */
export async function openSocketToAll(paths: TaskPaths): Promise<void> {
  if (process.platform !== 'win32') await chmod(paths.socket, 0o666);
}

/** By rename, so that who reads it sees all of it. */
export async function writeEndpoint(paths: TaskPaths, endpoint: TaskEndpoint): Promise<void> {
  const temporary = `${paths.endpointFile}.tmp`;
  await writeFile(temporary, JSON.stringify(endpoint), { mode: 0o600 });
  await rename(temporary, paths.endpointFile);
}

export async function clearEndpoint(paths: TaskPaths): Promise<void> {
  const names = [
    paths.endpointFile,
    ...(process.platform === 'win32' ? [] : [paths.socket, paths.apiSocket]),
  ];
  await Promise.all(names.map((path) => rm(path, { force: true })));
}
