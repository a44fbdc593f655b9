import * as z from 'zod';
import { OrchestratorError } from '../../../base/errors.ts';
import type { DrivenTerminal } from '../../../core/drivenOrchestrator.ts';
import { mayTouch } from '../../../core/terminals/owners.ts';
import { exitCodeOf } from '../../../core/terminals/terminalCommands.ts';
import { checkOwned } from '../caller.ts';
import { fitEnds, visible } from '../plainOutput.ts';
import { driveTool, readTool, type ToolContext } from '../tool.ts';
import { endOfOutput, readFrom, readLastLines } from './terminalReading.ts';
import { fitRows, offset, path, rowLimit, sessionId, shortened, terminalId, timeText } from './shapes.ts';

const terminalRow = z.object({
  terminal_id: z.string(),
  session_id: z.string(),
  name: z.string(),
  owner: z.string().nullable().describe('Null for a person'),
  is_yours: z.boolean().describe('Whether you may type into it and end it'),
  program: z.string(),
  directory: z.string().describe('Where it was started'),
  is_running: z.boolean(),
  exit_code: z.int().nullable(),
  created_at: z.string().nullable(),
});

const reading = z.object({
  terminal_id: z.string(),
  text: z.string().describe('Plain text: control sequences are gone'),
  from_offset: offset.describe('Of the first byte of the text; there is more before it where it is above 0'),
  next_offset: offset.describe('Pass it as from_offset to go on reading'),
  end_offset: offset.describe('Of what was printed so far'),
  is_running: z.boolean(),
  exit_code: z.int().nullable(),
});

export const listTerminals = readTool({
  name: 'list_terminals',
  title: 'List Terminals',
  description:
    'Lists terminals, the newest first, with their owners: you may type into and end those that are yours.',
  input: z.object({
    session_id: sessionId.optional(),
    include_ended: z
      .boolean()
      .default(false)
      .describe('Those whose program has ended too; their output stays'),
    limit: rowLimit,
  }),
  output: z.object({ terminals: z.array(terminalRow), truncated: z.boolean() }),
  async run({ session_id, include_ended, limit }, call) {
    const all = await call.orchestrator.listTerminals();
    const found = all
      .filter(
        ({ state, sessionId: id }) => (include_ended || state !== 'exited') && (session_id ?? id) === id,
      )
      .map((terminal) => rowOf(terminal, call))
      .reverse();
    const { rows, truncated } = fitRows(found, limit, call.limits);
    return { terminals: [...rows], truncated };
  },
});

export const startTerminal = driveTool({
  name: 'start_terminal',
  title: 'Start Terminal',
  description:
    'Starts a program, by default the shell, in a terminal of your own that outlives this connection and every window. ' +
    'Use run_command in a shell for one command after the other, write_terminal and read_terminal for programs that talk ' +
    'back, and kill_terminal when you are done. For a task that just has to be done, run_task is simpler.',
  input: z.object({
    session_id: sessionId.optional().describe('The session of the directory when missing'),
    directory: path.optional().describe("Absolute path; the session's when missing"),
    name: z.string().trim().min(1).max(120).optional(),
    program: path.optional().describe('A path, or a name on the PATH; the shell when missing'),
    args: z.array(z.string().max(131_071)).max(1_000).default([]),
    cols: z.int().min(1).max(1_000).default(120),
    rows: z.int().min(1).max(1_000).default(30),
  }),
  output: terminalRow,
  hints: { destructiveHint: false },
  async run({ session_id, directory, name, program, args, cols, rows }, call) {
    const { orchestrator, caller, defaultDirectory } = call;
    const terminal = await orchestrator.spawnTerminal({
      sessionId: session_id,
      cwd: directory ?? (session_id === undefined ? defaultDirectory : undefined),
      name,
      shell: program,
      args,
      cols,
      rows,
      managedBy: caller.owner,
      by: caller.owner,
    });
    return rowOf(terminal, call);
  },
});

const keys = {
  enter: '\r',
  tab: '\t',
  escape: '\x1b',
  backspace: '\x7f',
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
  left: '\x1b[D',
  'ctrl-c': '\x03',
  'ctrl-d': '\x04',
  'ctrl-z': '\x1a',
} as const;

export const writeTerminal = driveTool({
  name: 'write_terminal',
  title: 'Write to Terminal',
  description:
    'Types text and then keys into a terminal of yours, exactly as given: nothing is submitted unless keys has "enter". ' +
    'Then read_terminal from end_offset shows what came of it. To run a shell command, run_command is better.',
  input: z.object({
    terminal_id: terminalId,
    text: z.string().max(100_000).default(''),
    keys: z
      .array(z.enum(Object.keys(keys) as [keyof typeof keys]))
      .max(100)
      .default([])
      .describe('Pressed after the text'),
  }),
  output: z.object({
    terminal_id: z.string(),
    end_offset: offset.describe('What was printed before: read from here'),
  }),
  async run({ terminal_id, text, keys: pressed }, call) {
    const { orchestrator, caller } = call;
    await ownTerminal(terminal_id, call);
    const end_offset = await endOfOutput(terminal_id, call);
    const typed = text + pressed.map((key) => keys[key]).join('');
    if (typed !== '') await orchestrator.writeTerminal(terminal_id, typed, caller.owner);
    return { terminal_id, end_offset };
  },
});

export const readTerminal = readTool({
  name: 'read_terminal',
  title: 'Read Terminal',
  description:
    'Reads what a terminal has printed, also one that has ended: the last lines, or everything from an offset on, as much ' +
    'as one answer holds (next_offset tells where to go on). It does not wait: call it again for what comes later.',
  input: z.object({
    terminal_id: terminalId,
    lines: z.int().min(1).max(2_000).default(100).describe('The last so many lines'),
    from_offset: offset.optional().describe('Read from here instead: an earlier next_offset or end_offset'),
  }),
  output: reading,
  async run({ terminal_id, lines, from_offset }, call) {
    const terminal = await call.orchestrator.getTerminal(terminal_id);
    const { text, from, to, end } =
      from_offset === undefined
        ? await readLastLines(terminal_id, lines, call)
        : await readFrom(terminal_id, from_offset, call);
    return {
      terminal_id,
      text,
      from_offset: from,
      next_offset: to,
      end_offset: end,
      ...stateOf(terminal),
    };
  },
});

export const runCommand = driveTool({
  name: 'run_command',
  title: 'Run Command in Terminal',
  description:
    'Types a command into a shell in a terminal of yours, waits until it has run, and returns its exit code and exactly ' +
    'what it printed. Directory and variables of the shell stay from one command to the next. Past timeout_seconds the ' +
    'command goes on: go on reading from next_offset with read_terminal, or press ctrl-c with write_terminal.',
  input: z.object({
    terminal_id: terminalId,
    command: z
      .string()
      .min(1)
      .max(100_000)
      .refine((command) => command.trim() !== '', 'there is no command')
      .describe('One line; several lines run one after the other'),
    timeout_seconds: z.number().positive().max(600).default(30),
  }),
  output: z.object({
    terminal_id: z.string(),
    status: z.enum(['completed', 'still_running']),
    exit_code: z.int().nullable().describe('Null while it runs, and where nobody can tell'),
    output: z.string().describe('Plain text; of much output the beginning and the end'),
    omitted_bytes: z.int().describe('Left out in the middle: read_terminal from from_offset shows it'),
    from_offset: offset,
    next_offset: offset,
  }),
  async run({ terminal_id, command, timeout_seconds }, call) {
    const { orchestrator, caller, signal, limits } = call;
    await ownTerminal(terminal_id, call);
    const from = await endOfOutput(terminal_id, call);
    try {
      const timeoutMs = Math.ceil(timeout_seconds * 1_000);
      const options = { timeoutMs, signal, by: caller.owner };
      const { exitCode, output } = await orchestrator.runCommand(terminal_id, command, options);
      const printed = Buffer.from(output);
      const { text, omittedBytes } = fitEnds(printed, printed.length, limits.textBytes);
      return {
        terminal_id,
        status: 'completed' as const,
        exit_code: exitCode,
        output: text,
        omitted_bytes: omittedBytes,
        from_offset: from,
        next_offset: await endOfOutput(terminal_id, call),
      };
    } catch (error) {
      if (!OrchestratorError.is(error, 'output_timeout')) throw error;
      const soFar = await readFrom(terminal_id, from, call);
      return {
        terminal_id,
        status: 'still_running' as const,
        exit_code: null,
        output: soFar.text,
        omitted_bytes: 0,
        from_offset: soFar.from,
        next_offset: soFar.to,
      };
    }
  },
});

export const killTerminal = driveTool({
  name: 'kill_terminal',
  title: 'Kill Terminal',
  description:
    'Ends a terminal of yours with everything that runs in it. Its output stays readable. One that has ended stays as ' +
    'it is.',
  input: z.object({ terminal_id: terminalId }),
  output: terminalRow,
  hints: { idempotentHint: true, openWorldHint: false },
  async run({ terminal_id }, call) {
    const { orchestrator, caller } = call;
    await ownTerminal(terminal_id, call);
    await orchestrator.killTerminal(terminal_id, caller.principal);
    return rowOf(await orchestrator.getTerminal(terminal_id), call);
  },
});

/** The terminal, if the caller may type into it and end it. Errors: `terminal_not_found`, `permission_denied`. */
async function ownTerminal(id: string, { orchestrator, caller }: ToolContext): Promise<void> {
  const terminal = await orchestrator.getTerminal(id);
  checkOwned(caller, terminal.managedBy, `terminal ${id}`);
}

function rowOf(terminal: DrivenTerminal, { caller }: ToolContext): z.output<typeof terminalRow> {
  const { id, sessionId: session_id, name, managedBy, shell, cwd, createdAt } = terminal;
  return {
    terminal_id: id,
    session_id,
    name: visible(name),
    owner: managedBy === null ? null : visible(managedBy),
    is_yours: mayTouch(caller.principal, managedBy),
    program: shortened(visible(shell), 500),
    directory: shortened(visible(cwd), 1_000),
    ...stateOf(terminal),
    created_at: timeText(createdAt),
  };
}

function stateOf({ state, exit }: DrivenTerminal): {
  readonly is_running: boolean;
  readonly exit_code: number | null;
} {
  return { is_running: state !== 'exited', exit_code: exit === undefined ? null : exitCodeOf(exit) };
}
