import { invalidRequest } from '../../core/text.ts';
import { exitCode } from '../exitCodes.ts';
import { formatTable } from '../output/table.ts';
import { sessionOfDirectory } from '../sessionOfDirectory.ts';
import type { ContainersCall } from './containersCall.ts';

interface Named {
  readonly name: string;
  readonly engineName: string;
}

interface Kind {
  readonly list: (sessionId: string) => Promise<readonly Named[]>;
  readonly create: (sessionId: string, name: string) => Promise<Named>;
  readonly remove: (sessionId: string, name: string) => Promise<void>;
}

/** `networks [create NAME | rm NAME]` of the session of the directory. */
export function networks(call: ContainersCall): Promise<number> {
  const { resources } = call.containers;
  const isInternal = call.flags.internal === true;
  return actOn(call, 'networks', {
    list: (sessionId) => resources.networks(sessionId),
    create: (sessionId, name) => resources.createNetwork(sessionId, name, { isInternal }),
    remove: (sessionId, name) => resources.removeNetwork(sessionId, name),
  });
}

/** `volumes [create NAME | rm NAME]` of the session of the directory. */
export function volumes(call: ContainersCall): Promise<number> {
  const { resources } = call.containers;
  return actOn(call, 'volumes', {
    list: (sessionId) => resources.volumes(sessionId),
    create: (sessionId, name) => resources.createVolume(sessionId, name),
    remove: (sessionId, name) => resources.removeVolume(sessionId, name),
  });
}

async function actOn(call: ContainersCall, what: string, { list, create, remove }: Kind): Promise<number> {
  const { context, serving, words, flags } = call;
  const { out, isJson } = context;
  const [verb = 'ls', name] = words;
  const { id } = await sessionOfDirectory(serving, flags.cwd);
  if (verb === 'ls') {
    const all = await list(id);
    const rows = all.map((each) => [each.name, each.engineName]);
    await (isJson
      ? out.writeJson({ [what]: all })
      : out.write(formatTable(['NAME', 'AT THE ENGINE'], rows, out.columns)));
    return exitCode.ok;
  }
  if ((verb !== 'create' && verb !== 'rm') || name === undefined) {
    throw invalidRequest(`orchestrator containers ${what} [create NAME | rm NAME]`);
  }
  if (verb === 'create') {
    const made = await create(id, name);
    await (isJson ? out.writeJson(made) : out.writeLine(`${made.name} created`));
  } else {
    await remove(id, name);
    await (isJson ? out.writeJson({ name, removed: true }) : out.writeLine(`${name} removed`));
  }
  return exitCode.ok;
}
