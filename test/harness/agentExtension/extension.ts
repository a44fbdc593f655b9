// An agent as a second extension: what a test asks for on a socket it does through the workbench's exported API, and it
// measures the event loop that the two of them share.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import * as vscode from 'vscode';
import type { OrchestrationWorkbenchApi } from '../../../src/vscode/api.ts';
import type { AgentRequest, LoopDelay } from '../agent.ts';

type Method = (...args: readonly unknown[]) => unknown;

const resolutionMs = 1;
let histogram = monitorEventLoopDelay({ resolution: resolutionMs });

const own: Readonly<Record<string, Method>> = {
  startLoopDelay() {
    histogram.disable();
    histogram = monitorEventLoopDelay({ resolution: resolutionMs });
    histogram.enable();
  },
  stopLoopDelay(): LoopDelay {
    histogram.disable();
    // Beyond the timer's own period.
    const ms = (nanoseconds: number): number => nanoseconds / 1e6 - resolutionMs;
    const { max, count } = histogram;
    return { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(max), count };
  },
  openTabs: () => vscode.window.terminals.map(({ name }) => name),
  executeCommand: (command, ...args) => vscode.commands.executeCommand(String(command), ...args),
};

export function activate(context: vscode.ExtensionContext): void {
  const path = process.env['ORCHESTRATION_WORKBENCH_TEST_AGENT'];
  const workbench = vscode.extensions.getExtension<OrchestrationWorkbenchApi>(
    'orchestration-workbench.orchestration-workbench',
  );
  if (path === undefined || workbench === undefined) return;
  const api = workbench.exports as unknown as Readonly<Record<string, Method>>;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    createInterface({ input: socket }).on('line', (line) => {
      void answer(socket, JSON.parse(line) as AgentRequest, api);
    });
  });
  // The window before a reload may have left it.
  rmSync(path, { force: true });
  server.listen(path);
  context.subscriptions.push({ dispose: () => server.close() });
}

async function answer(
  socket: Socket,
  { id, method, args }: AgentRequest,
  api: Readonly<Record<string, Method>>,
): Promise<void> {
  try {
    const result = await (own[method] ?? api[method])?.(...args);
    socket.write(`${JSON.stringify({ id, result })}\n`);
  } catch (error) {
    const { message, reason } = error as Error & { readonly reason?: string };
    socket.write(`${JSON.stringify({ id, error: { message, reason } })}\n`);
  }
}
