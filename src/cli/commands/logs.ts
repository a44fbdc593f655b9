import { invalidRequest } from '../../core/text.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorAccess, SeenRun } from '../../core/orchestratorAccess.ts';
import { agentNameOf, type RunStepState } from '../../core/runs/run.ts';
import { withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode } from '../exitCodes.ts';
import { findThing, type FoundThing } from '../findThing.ts';
import { LogPrinter } from '../output/logPrinter.ts';
import { RunOutput } from '../output/runOutput.ts';
import { StepGate } from '../output/stepGate.ts';
import { followRecord, readRecord, type RecordSink } from '../recordReader.ts';
import { feedRunOutput } from '../runOutputFeed.ts';
import { untilStopped } from '../untilStopped.ts';

export interface LogsOptions {
  /** A terminal or a run, or the beginning of its id. */
  readonly id: string;
  readonly follows: boolean;
  /** Only this step of a run, from 1. */
  readonly step: number | undefined;
  /** Exactly what the terminal was given. */
  readonly isBytes: boolean;
  /** Only the last so many lines. */
  readonly lines: number | undefined;
  /** Only lines with this text, or, as `/expression/flags`, lines that match. */
  readonly search: string | undefined;
  /** Instead of the output: what stands on the terminal's screen now, or stood there last. */
  readonly isScreen: boolean;
}

/** Prints what a terminal showed, or what the steps of a run printed. */
export function printLogs(context: CommandContext, options: LogsOptions): Promise<number> {
  return withAccess(context, async (access) => {
    const { out, err, stateDir } = context;
    const found = await findThing(access, stateDir, options.id);
    const printer = new LogPrinter(out, {
      isBytes: options.isBytes,
      lines: options.lines,
      search: options.search === undefined ? undefined : patternOf(options.search),
    });
    const tellLost = (bytes: number): void => {
      void err.writeLine(`orchestrator: ${bytes} bytes are no longer in the record (its size is limited).`);
    };
    const sink: RecordSink = {
      onData: (data) => printer.print(data),
      onDropped: (from, to) => tellLost(to - from),
    };
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    const finish = async (): Promise<number> => {
      await printer.end();
      return exitCode.ok;
    };

    if (options.isScreen) {
      await out.write(`${await screenOf(access, found)}\n`);
      return exitCode.ok;
    }
    if (found.kind === 'terminal') {
      if (options.step !== undefined) throw noSteps();
      if (options.follows && found.terminal.isLive) {
        await untilStopped(stop, followRecord(access, found.id, 0, sink, stop.signal));
      } else {
        await readRecord(access, found.id, 0, Number.POSITIVE_INFINITY, sink);
      }
      return finish();
    }
    const { run } = found;
    checkStep(run, options.step);
    if (options.follows && (run.isLive || run.status === 'queued')) {
      await untilStopped(stop, followOutput(access, run, options.step, sink, tellLost, stop.signal));
      return finish();
    }
    for (const step of run.steps) {
      if (options.step === undefined || options.step === step.index) await readStep(access, run, step, sink);
    }
    return finish();
  });
}

/** The screen as text, without the empty rows below. */
async function screenOf(access: OrchestratorAccess, found: FoundThing): Promise<string> {
  if (found.kind !== 'terminal')
    throw invalidRequest('--screen is for terminals; a run has none of its own.');
  return (await access.snapshotTerminal(found.id, { scrollback: 0 })).text.trimEnd();
}

/** `/expression/flags` is a regular expression, everything else is text. */
function patternOf(search: string): string | RegExp {
  const [, source, flags] = /^\/(.+)\/([imsuv]*)$/s.exec(search) ?? [];
  if (source === undefined) return search;
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw invalidRequest(`--search ${search}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

async function followOutput(
  access: OrchestratorAccess,
  run: SeenRun,
  onlyStep: number | undefined,
  sink: RecordSink,
  tellLost: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const failure = Promise.withResolvers<never>();
  const output = new RunOutput({
    follow: (terminalId, follower) => access.followTerminal(terminalId, { from: 0 }, follower),
    write: (bytes, step) =>
      onlyStep === undefined || onlyStep === step ? sink.onData(bytes) : Promise.resolve(),
    onLost: tellLost,
    onError: (error) => failure.reject(error),
  });
  const { request } = run;
  const isInContainer = request.containerTaskId !== undefined || request.engine === 'container';
  const hasShell = agentNameOf(request) === undefined && !isInContainer;
  const show = async (): Promise<void> => {
    let copied = 0;
    for await (const report of access.followRun(run, signal)) {
      feedRunOutput(output, report);
      // What an agent or a container prints is in no terminal: it is looked for with each report.
      if (!hasShell) copied = await copyStep(access, run, 1, copied, sink);
    }
    if (!signal.aborted) await output.finish();
  };
  await Promise.race([show(), failure.promise]);
}

/** What a step has printed elsewhere than in a terminal, from `skip` on. @returns how much of it there was before the end. */
async function copyStep(
  access: OrchestratorAccess,
  run: SeenRun,
  step: number,
  skip: number,
  sink: RecordSink,
): Promise<number> {
  for (let at = skip; ; ) {
    const { position, data } = await access.readStepOutput(run, step, at);
    if (data.byteLength === 0) return at;
    if (position > at) sink.onDropped(at, position);
    await sink.onData(data);
    at = position + data.byteLength;
  }
}

/** What the record has of a step's output. */
async function readStep(
  access: OrchestratorAccess,
  run: SeenRun,
  step: RunStepState,
  sink: RecordSink,
): Promise<void> {
  const { output, index, exitCode } = step;
  if (output === undefined) return await copyStep(access, run, index, 0, sink).then(() => undefined);
  const { terminalId, from, to } = output;
  if (exitCode !== undefined) {
    await readRecord(access, terminalId, from, to, sink);
    return;
  }
  // It goes on, or whoever carried it out died: it reaches further than was told, up to its end mark if there is one.
  let released: Buffer[] = [];
  const gate = new StepGate((bytes) => released.push(bytes));
  gate.skipTo(from);
  gate.stepReaches(index, from, to, false);
  await readRecord(access, terminalId, from, Number.POSITIVE_INFINITY, {
    onData: async (data) => {
      gate.data(data);
      const parts = released;
      released = [];
      for (const part of parts) await sink.onData(part);
    },
    onDropped: (lostFrom, lostTo) => {
      gate.skipTo(lostTo);
      sink.onDropped(lostFrom, lostTo);
    },
  });
}

function checkStep(run: SeenRun, step: number | undefined): void {
  if (step === undefined || run.steps.some(({ index }) => index === step)) return;
  throw new OrchestratorError(
    'OUT_OF_RANGE',
    'invalid_request',
    `The run has ${run.steps.length} step${run.steps.length === 1 ? '' : 's'}; there is no step ${step}.`,
  );
}

function noSteps(): OrchestratorError {
  return invalidRequest('--step is for runs; a terminal has no steps. Leave it out.');
}
