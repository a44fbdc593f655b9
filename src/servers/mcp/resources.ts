import { type McpServer, ResourceTemplate, type ServerContext } from './mcpServerLibrary.ts';
import * as z from 'zod';
import { isRunEnded } from '../../core/runs/run.ts';
import { invalidRequest } from '../../core/text.ts';
import { checkToolScope } from './caller.ts';
import { visible } from './plainOutput.ts';
import type { ToolContext } from './tool.ts';
import { shortened } from './tools/shapes.ts';
import { tailOfSteps } from './tools/stepReading.ts';
import { readLastLines } from './tools/terminalReading.ts';

const mimeType = 'text/plain';
const listed = 50;

/** Runs and terminals as resources, which a person hands to a model: the same text that the tools read. */
export function addResources(
  server: McpServer,
  contextOf: (request: ServerContext) => Promise<ToolContext>,
): void {
  const readable = async (request: ServerContext): Promise<ToolContext> => {
    const context = await contextOf(request);
    checkToolScope(context.caller, 'read');
    return context;
  };
  server.registerResource(
    'run',
    new ResourceTemplate('orchestrator://run/{id}', {
      list: async (request) => {
        const { orchestrator } = await readable(request);
        const runs = await orchestrator.listRuns({ limit: listed });
        return {
          resources: runs.map(({ id, status, request: { task } }) => ({
            uri: `orchestrator://run/${id}`,
            name: shortened(visible(task).replaceAll('\n', ' '), 100),
            description: `Run, ${status}`,
            mimeType,
          })),
        };
      },
    }),
    { title: 'Run', description: 'Task, state and the end of the output of a run', mimeType },
    async (uri, { id }, request) => {
      const context = await readable(request);
      const run = await context.orchestrator.getRun(idOf(id));
      const { text } = await tailOfSteps(run, context);
      const head = [
        `Task: ${shortened(visible(run.request.task), 2_000)}`,
        `Status: ${run.status}${isRunEnded(run) ? '' : ' (goes on)'}`,
        ...(run.error === undefined ? [] : [`Error: ${shortened(visible(run.error.message), 1_000)}`]),
      ];
      return { contents: [{ uri: uri.href, mimeType, text: `${head.join('\n')}\n\n${text}` }] };
    },
  );
  server.registerResource(
    'terminal',
    new ResourceTemplate('orchestrator://terminal/{id}', {
      list: async (request) => {
        const { orchestrator } = await readable(request);
        const terminals = (await orchestrator.listTerminals()).slice(-listed).reverse();
        return {
          resources: terminals.map(({ id, name, state }) => ({
            uri: `orchestrator://terminal/${id}`,
            name: visible(name),
            description: `Terminal, ${state}`,
            mimeType,
          })),
        };
      },
    }),
    { title: 'Terminal', description: 'The last lines that a terminal has printed', mimeType },
    async (uri, { id }, request) => {
      const context = await readable(request);
      const terminal = await context.orchestrator.getTerminal(idOf(id));
      const { text } = await readLastLines(terminal.id, 1_000, context);
      return { contents: [{ uri: uri.href, mimeType, text }] };
    },
  );
}

function idOf(id: string | readonly string[] | undefined): string {
  const parsed = z.uuid().safeParse(id);
  if (parsed.success) return parsed.data;
  throw invalidRequest('The address of the resource ends in no id.');
}
