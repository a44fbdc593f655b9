import * as z from 'zod';
import { type Run, isRunEnded } from '../../../core/runs/run.ts';
import { mayTouch } from '../../../core/terminals/owners.ts';
import { checkOwned, ownerOfSession } from '../caller.ts';
import { visible } from '../plainOutput.ts';
import { driveTool, readTool, type ToolContext } from '../tool.ts';
import { readStep, tailOfSteps } from './stepReading.ts';
import { fitRows, offset, path, rowLimit, runId, sessionId, shortened, timeText } from './shapes.ts';
import { findSession } from './sessionTools.ts';

const waitSeconds = (seconds: number): z.ZodDefault<z.ZodNumber> =>
  z
    .number()
    .min(0)
    .max(600)
    .default(seconds)
    .describe(
      'How long to wait for the end, 0 to 600; the run goes on past that. Stay below your own time limit.',
    );

const runRow = z.object({
  run_id: z.string(),
  session_id: z.string(),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out']),
  engine: z.string(),
  task: z.string().describe('Its beginning'),
  requested_by: z.string().nullable(),
  created_at: z.string().nullable(),
  ended_at: z.string().nullable(),
});

const runReport = runRow.extend({
  has_ended: z.boolean(),
  result: z
    .object({ status: z.string(), completion_reason: z.string() })
    .nullable()
    .describe('Null until it has ended, and where it ended without one (error)'),
  error: z.string().nullable(),
  step_count: z.int(),
  steps: z
    .array(
      z.object({
        index: z.int(),
        command: z.string(),
        status: z.string(),
        exit_code: z.int().nullable(),
      }),
    )
    .describe('The last 20'),
  output: z.string().describe('The end of what it printed or said, as plain text'),
  output_step: z.int().nullable().describe('The step that the output is of'),
  output_from: offset.describe(
    'Bytes of that step before the output: read them by get_run with step and offset',
  ),
  output_to: offset.describe('Where to go on reading (get_run with step and offset)'),
  next: z.string().describe('What to do next'),
});

export const runTask = driveTool({
  name: 'run_task',
  title: 'Run Task',
  description:
    'Runs a task in a session and returns status, result and the last output. With the engine "shell" the task is one ' +
    'shell command a line, each a step; the run stops at the first that fails. With a coding agent (claude-code, codex, ' +
    'gemini, opencode), "model" or "agent:NAME" it is a prompt. Past wait_seconds it goes on in the background: then use ' +
    'wait_for_run, get_run or abort_run. Cancelling this call ends the wait, not the run.',
  input: z.object({
    task: z.string().min(1).max(100_000).describe('Shell: one command a line. Others: what is to be done'),
    engine: z.string().min(1).max(200).optional().describe("The session's own when missing, else shell"),
    session_id: sessionId.optional().describe('The session of the directory when missing'),
    directory: path.optional().describe("Absolute path to run in; the session's when missing"),
    model: z
      .object({
        provider: z.string().min(1).max(64).optional(),
        model: z.string().min(1).max(200).optional(),
        max_steps: z.int().min(1).max(1_000).optional(),
        max_cost_usd: z.number().positive().optional(),
      })
      .optional()
      .describe('With the engine "model"'),
    timeout_seconds: z.number().positive().max(86_400).optional().describe('Ends the run after so long'),
    wait_seconds: waitSeconds(30),
  }),
  output: runReport,
  async run({ task, engine, session_id, directory, model, timeout_seconds, wait_seconds }, call) {
    const { orchestrator, caller, defaultDirectory } = call;
    const { id } = await orchestrator.startRun({
      task,
      engine,
      sessionId: session_id,
      cwd: directory ?? (session_id === undefined ? defaultDirectory : undefined),
      timeoutMs: timeout_seconds === undefined ? undefined : Math.ceil(timeout_seconds * 1_000),
      requestedBy: caller.owner,
      model:
        model === undefined
          ? undefined
          : {
              provider: model.provider,
              model: model.model,
              maxSteps: model.max_steps,
              maxCostUsd: model.max_cost_usd,
            },
    });
    return waitAndReport(id, wait_seconds, call);
  },
});

export const waitForRun = readTool({
  name: 'wait_for_run',
  title: 'Wait for Run',
  description:
    'Waits until a run has ended, at most wait_seconds, and reports on it as get_run does. Cancelling this call ends the ' +
    'wait, not the run.',
  input: z.object({ run_id: runId, wait_seconds: waitSeconds(45) }),
  output: runReport,
  run: ({ run_id, wait_seconds }, call) => waitAndReport(run_id, wait_seconds, call),
});

export const getRun = readTool({
  name: 'get_run',
  title: 'Get Run',
  description:
    'Reports how a run stands: status, result, its last steps and the end of its output. With step and offset it returns ' +
    "that step's output from the offset on instead: page through long output by passing output_to as the next offset.",
  input: z.object({
    run_id: runId,
    step: z.int().min(1).optional().describe('Read the output of this step'),
    offset: offset.default(0).describe('With step: bytes of its output to skip'),
  }),
  output: runReport,
  async run({ run_id, step, offset: skip }, call) {
    const run = await call.orchestrator.getRun(run_id);
    const output = step === undefined ? undefined : await readStep(run, step, skip, call);
    return report(run, call, output);
  },
});

export const abortRun = driveTool({
  name: 'abort_run',
  title: 'Abort Run',
  description:
    'Aborts a run and waits until it has ended, at most 15 seconds. Only runs that you started or of your sessions, ' +
    'unless your connection has the scope admin. A run that has ended already is reported as it is.',
  input: z.object({ run_id: runId }),
  output: runReport,
  hints: { idempotentHint: true, openWorldHint: false },
  async run({ run_id }, call) {
    const run = await call.orchestrator.getRun(run_id);
    const { requestedBy = null } = run.request;
    if (!mayTouch(call.caller.principal, requestedBy)) {
      const session = await findSession(run.sessionId, call);
      checkOwned(call.caller, ownerOfSession(session), `run ${run_id}`);
    }
    if (isRunEnded(run)) return report(run, call);
    await call.orchestrator.abortRun(run_id);
    return waitAndReport(run_id, 15, call);
  },
});

export const listRuns = readTool({
  name: 'list_runs',
  title: 'List Runs',
  description:
    'Lists runs, the newest first: of all sessions or of one, all of them or only those that go on.',
  input: z.object({
    session_id: sessionId.optional(),
    only_live: z.boolean().default(false).describe('Only those that are queued or running'),
    limit: rowLimit,
  }),
  output: z.object({ runs: z.array(runRow), truncated: z.boolean() }),
  async run({ session_id, only_live, limit }, call) {
    const filter = { limit: limit + 1, sessionId: session_id, isLive: only_live ? true : undefined };
    const found = await call.orchestrator.listRuns(filter);
    const { rows, truncated } = fitRows(found.map(rowOf), limit, call.limits);
    return { runs: [...rows], truncated };
  },
});

type Report = z.output<typeof runReport>;
type StepReading = Awaited<ReturnType<typeof readStep>>;

async function waitAndReport(id: string, seconds: number, call: ToolContext): Promise<Report> {
  const { orchestrator, signal, clock, report: tell, limits } = call;
  const stop = new AbortController();
  const giveUp = (): void => stop.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  const timers = [clock.setTimer(seconds * 1_000, giveUp)];
  const watch = async (): Promise<void> => {
    const run = await orchestrator.getRun(id);
    if (stop.signal.aborted) return;
    tell?.(progressOf(run));
    timers[1] = clock.setTimer(limits.progressMs, () => void watch().catch(() => undefined));
  };
  try {
    if (tell !== undefined) await watch();
    await orchestrator.waitForRun(id, stop.signal);
  } catch (error) {
    // Whoever cancelled hears no more; a wait that is over is answered as it stands.
    if (!stop.signal.aborted || signal.aborted) throw error;
  } finally {
    giveUp();
    for (const timer of timers) timer.dispose();
    signal.removeEventListener('abort', giveUp);
  }
  return report(await orchestrator.getRun(id), call);
}

async function report(run: Run, call: ToolContext, reading?: StepReading): Promise<Report> {
  const { result, error, steps } = run;
  const hasEnded = isRunEnded(run);
  const output = reading ?? (await tailOfSteps(run, call));
  return {
    ...rowOf(run),
    has_ended: hasEnded,
    result:
      result === undefined ? null : { status: result.status, completion_reason: result.completion_reason },
    error: error === undefined ? null : shortened(visible(error.message), 1_000),
    step_count: steps.length,
    steps: steps.slice(-20).map(({ index, command, status, exitCode }) => ({
      index,
      command: shortened(visible(command), 200),
      status,
      exit_code: exitCode ?? null,
    })),
    output: output.text,
    output_step: output.step,
    output_from: output.from,
    output_to: output.to,
    next: nextOf(run, hasEnded),
  };
}

function rowOf(run: Omit<Run, 'result'>): z.output<typeof runRow> {
  const { id, sessionId: session_id, status, request, createdAt, endedAt } = run;
  return {
    run_id: id,
    session_id,
    status,
    engine: request.engine ?? 'shell',
    task: shortened(visible(request.task), 300),
    requested_by: request.requestedBy === undefined ? null : shortened(visible(request.requestedBy), 256),
    created_at: timeText(createdAt),
    ended_at: timeText(endedAt),
  };
}

function nextOf({ id, status }: Run, hasEnded: boolean): string {
  if (!hasEnded) return `It goes on. wait_for_run ${id} waits for its end; abort_run ends it.`;
  return status === 'succeeded'
    ? 'It is done.'
    : 'It did not succeed: read the output and error, and run the rest of the task again once the cause is gone.';
}

function progressOf({ status, steps }: Run): string {
  const running = steps.find((step) => step.status === 'running');
  if (running === undefined) return status;
  return `step ${running.index} of ${steps.length}: ${shortened(visible(running.command), 100)}`;
}
