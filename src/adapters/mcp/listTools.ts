import type { Client } from '@modelcontextprotocol/client';
import type { OwnTool } from '../../core/tools/toolNames.ts';
import type { McpLimits } from './mcpLimits.ts';

/** Pages of one list, also of a server that never says that it is at its end. */
const maxPages = 100;
const maxNameLength = 512;

/** All of a server's tools, within the limits; the problem tells what was left out. */
export async function listTools(
  client: Client,
  limits: McpLimits,
): Promise<{ readonly tools: readonly OwnTool[]; readonly problem: string | undefined }> {
  if (client.getServerCapabilities()?.tools === undefined) return { tools: [], problem: 'It has no tools.' };
  const tools = new Map<string, OwnTool>();
  let leftOut = 0;
  let cursor: string | undefined;
  let hasMore = true;
  for (let page = 0; hasMore && page < maxPages && tools.size < limits.maxTools; page += 1) {
    const answer = await client.request({
      method: 'tools/list',
      params: cursor === undefined ? {} : { cursor },
    });
    for (const { name, description = '', inputSchema } of answer.tools) {
      const isUsable =
        tools.size < limits.maxTools &&
        name.length > 0 &&
        name.length <= maxNameLength &&
        JSON.stringify(inputSchema).length <= limits.maxSchemaLength;
      if (isUsable && !tools.has(name))
        tools.set(name, {
          name,
          description: description.slice(0, limits.maxDescriptionLength).toWellFormed(),
          inputSchema,
        });
      else leftOut += 1;
    }
    hasMore = answer.nextCursor !== undefined && answer.nextCursor !== cursor;
    cursor = answer.nextCursor;
  }
  const isCut = leftOut > 0 || hasMore;
  const problem = isCut
    ? `Some of its tools are left out: they are too many (${limits.maxTools} are taken), too large, or named twice.`
    : undefined;
  return { tools: [...tools.values()], problem };
}
