import * as z from 'zod';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Container } from '../../../core/containers/container.ts';
import { joinBytes } from '../../../base/bytes.ts';
import { mayTouch } from '../../../core/terminals/owners.ts';
import { checkOwned, ownerOfSession } from '../caller.ts';
import { BoundedCapture } from '../boundedCapture.ts';
import { fitHead, fitTail, visible } from '../plainOutput.ts';
import { driveTool, readTool, type ToolContext } from '../tool.ts';
import { containerId, fitRows, offset, path, rowLimit, sessionId, shortened, timeText } from './shapes.ts';
import { findSession } from './sessionTools.ts';

const containerRow = z.object({
  container_id: z.string(),
  session_id: z.string(),
  name: z.string(),
  image: z.string(),
  state: z.string(),
  exit_code: z.int().nullable(),
  is_yours: z.boolean().describe('Whether you may run commands in it'),
  created_at: z.string().nullable(),
});

export const listContainers = readTool({
  name: 'list_containers',
  title: 'List Containers',
  description:
    'Lists the containers of the sessions, the newest first. run_task with the engine "container" makes one.',
  input: z.object({
    session_id: sessionId.optional(),
    include_ended: z.boolean().default(false).describe('Those that have ended too; their output stays'),
    limit: rowLimit,
  }),
  output: z.object({ containers: z.array(containerRow), truncated: z.boolean() }),
  async run({ session_id, include_ended, limit }, call) {
    const { orchestrator, caller } = call;
    const all = await orchestrator.containers.list({ sessionId: session_id });
    const owners = new Map(
      (await orchestrator.listSessions()).map((session) => [session.id, ownerOfSession(session)]),
    );
    const found = all
      .filter(({ exit }) => include_ended || exit === undefined)
      .map(({ id, sessionId: session, name, image, state, exit, createdAt }) => ({
        container_id: id,
        session_id: session,
        name: visible(name),
        image: shortened(visible(image), 300),
        state,
        exit_code: exit?.exitCode ?? null,
        is_yours: mayTouch(caller.principal, owners.get(session) ?? null),
        created_at: timeText(createdAt),
      }))
      .reverse();
    const { rows, truncated } = fitRows(found, limit, call.limits);
    return { containers: [...rows], truncated };
  },
});

export const containerLogs = readTool({
  name: 'container_logs',
  title: 'Container Logs',
  description:
    'Reads what a container has printed, also one that has ended: the last lines, or everything from an offset on, as ' +
    'much as one answer holds (next_offset tells where to go on).',
  input: z.object({
    container_id: containerId,
    lines: z.int().min(1).max(2_000).default(100).describe('The last so many lines'),
    from_offset: offset.optional().describe('Read from here instead: an earlier next_offset'),
  }),
  output: z.object({
    container_id: z.string(),
    text: z.string().describe('Plain text of both streams'),
    from_offset: offset,
    next_offset: offset,
    state: z.string(),
  }),
  async run({ container_id, lines, from_offset }, call) {
    const { orchestrator, limits, signal } = call;
    const { id, state } = await findContainer(container_id, call);
    const isTail = from_offset === undefined;
    const capture: Uint8Array[] = [];
    let start = from_offset ?? 0;
    let length = 0;
    const from = isTail ? { lines } : { from: from_offset };
    for await (const { offset: at, data } of orchestrator.containers.output.follow(id, { ...from, signal })) {
      if (length === 0) start = at;
      capture.push(data);
      length += data.length;
      if (!isTail && length >= limits.textBytes) break;
      // Of the last lines only the end can be told.
      while (isTail && length - (capture[0]?.length ?? 0) >= limits.textBytes) {
        const dropped = capture.shift()?.length ?? 0;
        start += dropped;
        length -= dropped;
      }
    }
    const data = joinBytes(capture);
    const { text, taken } = (isTail ? fitTail : fitHead)(data, limits.textBytes);
    const begin = isTail ? start + data.length - taken : start;
    return { container_id: id, text, from_offset: begin, next_offset: begin + taken, state };
  },
});

export const containerExec = driveTool({
  name: 'container_exec',
  title: 'Run Command in Container',
  description:
    'Runs a program in a running container of one of your sessions, waits for it, and returns exit code and output. It ' +
    'ends with this call: at timeout_seconds, or when the call is cancelled. Use ["sh", "-c", "…"] for a shell line.',
  input: z.object({
    container_id: containerId,
    command: z.array(z.string().max(131_071)).min(1).max(1_000).describe('Program and arguments'),
    directory: path.optional().describe("In the container; the image's when missing"),
    timeout_seconds: z.number().positive().max(600).default(30),
  }),
  output: z.object({
    container_id: z.string(),
    status: z.enum(['completed', 'timed_out']),
    exit_code: z.int().nullable(),
    stdout: z.string().describe('Of much output the beginning and the end'),
    stderr: z.string(),
    omitted_bytes: z.int().describe('Left out in the middle of both'),
  }),
  async run({ container_id, command, directory, timeout_seconds }, call) {
    const { orchestrator, signal, clock, limits } = call;
    const container = await findContainer(container_id, call);
    const session = await findSession(container.sessionId, call);
    checkOwned(call.caller, ownerOfSession(session), `container ${container_id}`);
    const streams = {
      stdout: new BoundedCapture(limits.textBytes / 2),
      stderr: new BoundedCapture(limits.textBytes / 2),
    };
    const over = Promise.withResolvers<'timed_out' | 'cancelled'>();
    const cancel = (): void => over.resolve('cancelled');
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    const timer = clock.setTimer(timeout_seconds * 1_000, () => over.resolve('timed_out'));
    const exec = await orchestrator.containers
      .exec(
        container.id,
        { command, workingDir: directory },
        { onData: (stream, data) => streams[stream].push(data), onEnd: () => undefined },
      )
      .catch((error: unknown) => {
        timer.dispose();
        signal.removeEventListener('abort', cancel);
        throw error;
      });
    try {
      const end = await Promise.race([exec.exitCode.then((code) => ({ code })), over.promise]);
      if (end === 'cancelled')
        throw new OrchestratorError('CANCELLED', 'aborted', 'The command was given up.');
      const out = streams.stdout.text();
      const err = streams.stderr.text();
      return {
        container_id: container.id,
        status: end === 'timed_out' ? ('timed_out' as const) : ('completed' as const),
        exit_code: end === 'timed_out' ? null : (end.code ?? null),
        stdout: out.text,
        stderr: err.text,
        omitted_bytes: out.omittedBytes + err.omittedBytes,
      };
    } finally {
      timer.dispose();
      signal.removeEventListener('abort', cancel);
      exec.dispose();
    }
  },
});

/** By its id or the beginning of it. Error: `container_not_found`. */
async function findContainer(id: string, { orchestrator }: ToolContext): Promise<Container> {
  if (id.length === 64) return orchestrator.containers.get(id);
  const found = (await orchestrator.containers.list()).filter((container) => container.id.startsWith(id));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new OrchestratorError(
    'NOT_FOUND',
    'container_not_found',
    found.length === 0
      ? `There is no container ${id}.`
      : `There are several containers whose id begins with ${id}.`,
  );
}
