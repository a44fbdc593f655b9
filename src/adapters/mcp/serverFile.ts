import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ToolServers } from '../../core/ports/toolParts.ts';
import { invalidRequest } from '../../core/text.ts';
import { parseCommentedJson } from '../../core/tools/commentedJson.ts';
import { inputsOf, type ParsedServers, parseServers, valuesOf } from '../../core/tools/serverConfig.ts';

const maxFileBytes = 1024 * 1024;

/** What a file says: nothing where there is none. What is wrong with it is a problem, and no error. */
export async function readServerFile(
  path: string,
  options: { readonly folder: string | undefined; readonly isNeeded: boolean },
): Promise<ParsedServers> {
  try {
    const content = await readFile(path, 'utf8');
    if (content.length > maxFileBytes) throw invalidRequest(`it is larger than ${maxFileBytes} bytes`);
    return parseServers(parseCommentedJson(content), {
      env: (name) => process.env[name],
      folder: options.folder,
      home: homedir(),
    });
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isMissing && !options.isNeeded) return { entries: [], problems: [] };
    return { entries: [], problems: [{ name: path, problem: OrchestratorError.from(error).message }] };
  }
}

/** The servers of one file, read anew each time. Nobody can be asked for inputs: a server that needs one says so. */
export function serversOfFile(path: string, options: { readonly isNeeded: boolean }): ToolServers {
  const changed = new Emitter<void>();
  let last: ParsedServers = { entries: [], problems: [] };
  return {
    onDidChange: changed.event,
    async read() {
      last = await readServerFile(path, { ...options, folder: undefined });
      const asking = last.entries.filter((entry) => inputsOf(entry).length > 0);
      return {
        servers: last.entries.map(({ server }) => server),
        problems: [
          ...last.problems,
          ...asking.map(({ server: { name } }) => ({
            name,
            problem: 'It asks for an input, and nobody can be asked here: use ${env:NAME}.',
          })),
        ],
      };
    },
    secrets: (servers) =>
      Promise.resolve(
        Object.fromEntries(
          last.entries
            .filter(({ server }) => servers.some(({ name }) => name === server.name))
            .map((entry) => [entry.server.name, valuesOf(entry, new Map())]),
        ),
      ),
    dispose: () => changed.dispose(),
  };
}
