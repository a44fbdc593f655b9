import type { ContainerTaskManifest } from '../../core/containerTasks/containerTask.ts';

/** What a task would do beyond its own container: a sentence each, for the person who is to agree to it. */
export function whatManifestAsks(manifest: ContainerTaskManifest): string[] {
  const { executable, container, inheritedEnvironment } = manifest;
  const asks: string[] = [];
  if (executable !== undefined) {
    const program = executable.type === 'node' ? executable.file : executable.command.join(' ');
    asks.push(`It runs a program on this machine: ${program}`);
  }
  if (container?.network === 'bridge') asks.push(`Its container (${container.image}) uses the network.`);
  for (const { source, isReadOnly } of container?.mounts ?? []) {
    asks.push(`Its container ${isReadOnly ? 'reads' : 'reads and changes'} ${source}`);
  }
  if (inheritedEnvironment.length > 0) {
    asks.push(`It gets these variables of this machine: ${inheritedEnvironment.join(', ')}`);
  }
  return asks;
}
