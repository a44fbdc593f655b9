import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { OrchestratorLimits } from '../limits.ts';
import type { Environment } from '../ports/environment.ts';
import type { ToolParts } from '../ports/toolParts.ts';
import { isRunEnded, type Run, type RunRequest } from '../runs/run.ts';
import type { RunManager } from '../runs/runManager.ts';
import { readStepOutput, type StepOutputPlaces } from '../runs/stepOutput.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import type { BuiltInTools, CommandOutcome, RunCommand } from './builtInTools.ts';
import { OutputTail, plainOutput } from './outputTail.ts';
import { noTools } from './noTools.ts';
import type { Tool } from './tool.ts';
import type { ToolRegistry } from './toolRegistry.ts';
import type { ToolSet } from './toolSet.ts';

/** What came of a call. */
export interface CarriedOut {
  readonly text: string;
  /** Empty where it went well. */
  readonly error: string;
  readonly exitCode: number | undefined;
}

/** The part of the core that calls need. */
export interface ToolCarrierCore extends StepOutputPlaces {
  readonly runs: RunManager;
  readonly sessions: SessionManager;
  readonly containers: ContainerManager;
  readonly tools: ToolRegistry;
}

const outputLimitBytes = 256 * 1024;
const commandOutputBytes = 64 * 1024;

/** Carries tools out in the core itself: on servers that are opened for the one call, or as runs of a session. */
export class ToolCarrier {
  readonly registry: ToolRegistry;
  private readonly core: ToolCarrierCore;
  private readonly parts: ToolParts | undefined;
  private readonly environment: Environment;
  private readonly limits: Pick<OrchestratorLimits, 'toolsAllowed'>;

  constructor(
    core: ToolCarrierCore,
    { tools, environment }: { readonly tools?: ToolParts | undefined; readonly environment: Environment },
    limits: Pick<OrchestratorLimits, 'toolsAllowed'>,
  ) {
    this.core = core;
    this.registry = core.tools;
    this.parts = tools;
    this.environment = environment;
    this.limits = limits;
  }

  /** @param parameters as texts: those that the schema wants otherwise are read as JSON. */
  async call(
    tool: Tool,
    parameters: Readonly<Record<string, string>>,
    sessionId: string | undefined,
    signal: AbortSignal,
  ): Promise<CarriedOut> {
    const { registry, parts, environment } = this;
    if (parts === undefined)
      throw new OrchestratorError('FAILED_PRECONDITION', 'tool_failed', 'There are no tools here.');
    const session = sessionId === undefined ? undefined : this.core.sessions.get(sessionId);
    const cwd = session?.cwd ?? environment.defaultDirectory();
    const set = await parts.connector.open({
      ...(await registry.forRun()),
      constraints: { mode: 'custom', providers: [tool.provider], tools: [tool.name] },
      builtIns: sessionId === undefined ? {} : this.builtIns(sessionId, parts.filesOf(cwd)),
      toolsAllowed: [],
      cwd,
      signal,
    });
    try {
      const outcome = await set.call(
        { name: tool.name, arguments: typed(tool.inputSchema, parameters) },
        signal,
      );
      switch (outcome.kind) {
        case 'completed':
          return { text: outcome.text, error: '', exitCode: 0 };
        case 'failed':
          return { text: '', error: outcome.error, exitCode: 1 };
        case 'skipped':
          return { text: '', error: skipped(outcome.reason, sessionId), exitCode: undefined };
      }
    } finally {
      await set[Symbol.asyncDispose]();
    }
  }

  /** The tools of a run that has no worker: opened in this process, with the built-in ones of its session. */
  async openFor({ sessionId, request }: Run, signal: AbortSignal): Promise<ToolSet> {
    const { parts, registry, environment } = this;
    const constraints = request.tools ?? { mode: 'auto', providers: null, tools: null };
    if (parts === undefined) return noTools(constraints);
    const cwd = request.cwd ?? environment.defaultDirectory();
    return parts.connector.open({
      ...(await registry.forRun()),
      constraints,
      builtIns: this.builtIns(sessionId, parts.filesOf(cwd)),
      toolsAllowed: this.limits.toolsAllowed,
      cwd,
      signal,
    });
  }

  /** Errors: those of starting a run; `invalid_request` without a session. */
  async run(
    request: Pick<RunRequest, 'task' | 'commands' | 'engine' | 'env' | 'metadata'>,
    sessionId: string | undefined,
    signal: AbortSignal,
    onRun: (runId: string) => void,
  ): Promise<CarriedOut> {
    if (sessionId === undefined)
      throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'session_id is required');
    const { runs } = this.core;
    const { id } = await runs.start({ ...request, sessionId });
    onRun(id);
    const run = await this.endOf(id, signal);
    const { exitCode } = run.steps.at(-1) ?? {};
    const text = await this.outputOf(run, outputLimitBytes);
    const error =
      run.status === 'succeeded' ? '' : (run.error?.message ?? `The run ${id} has ${run.status}.`);
    return { text, error, exitCode: exitCode ?? undefined };
  }

  private builtIns(sessionId: string, files: BuiltInTools['files']): BuiltInTools {
    return {
      files,
      terminal: { run: (command, signal) => this.runCommand(sessionId, command, signal) },
      container: {
        run: (container, command, signal) => this.runInContainer(sessionId, container, command, signal),
      },
    };
  }

  /** As a run of its own: in a terminal that people see. */
  private async runCommand(
    sessionId: string,
    { command, timeoutMs }: RunCommand,
    signal: AbortSignal,
  ): Promise<CommandOutcome> {
    const { runs } = this.core;
    const { id } = await runs.start({
      sessionId,
      engine: 'shell',
      task: command,
      commands: [command],
      timeoutMs,
    });
    const run = await this.endOf(id, signal);
    const step = run.steps.at(-1);
    return {
      exitCode: step?.exitCode ?? null,
      isTimedOut: run.status === 'timed_out',
      output: await this.outputOf(run, commandOutputBytes),
      terminalId: step?.output?.terminalId,
    };
  }

  /** Errors: `container_not_found`, those of running a command in it. */
  async runInContainer(
    sessionId: string,
    wanted: string,
    { command, timeoutMs }: RunCommand,
    signal: AbortSignal,
  ): Promise<CommandOutcome> {
    const { containers } = this.core;
    const container = containers.list({ sessionId }).find(({ id, name }) => id === wanted || name === wanted);
    if (container === undefined)
      throw new OrchestratorError(
        'NOT_FOUND',
        'container_not_found',
        `There is no container "${wanted}" in this session.`,
      );
    const tail = new OutputTail(commandOutputBytes);
    const ended = Promise.withResolvers<void>();
    const exec = await containers.exec(
      container.id,
      { command: ['sh', '-c', command] },
      { onData: (_, data) => tail.add(data), onEnd: () => ended.resolve() },
    );
    const limit = { isOver: false };
    const stop = (): void => ended.resolve();
    const timer = setTimeout(() => {
      limit.isOver = true;
      stop();
    }, timeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await ended.promise;
      const { isOver: isTimedOut } = limit;
      const isEnded = !isTimedOut && !signal.aborted;
      return { exitCode: isEnded ? ((await exec.exitCode) ?? null) : null, isTimedOut, output: tail.text() };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      exec.dispose();
    }
  }

  /** The run's end; where the signal comes first, the run is aborted. */
  private async endOf(id: string, signal: AbortSignal): Promise<Run> {
    const { runs } = this.core;
    const abort = (): void => void runs.abort(id).catch(() => undefined);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await runs.waitForEnd(id);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** What its last step printed: the end of it. */
  private async outputOf(run: Run, limitBytes: number): Promise<string> {
    const step = run.steps.length;
    if (step === 0 || !isRunEnded(run)) return '';
    const { total } = await readStepOutput(this.core, run, { step, skip: 0, maxBytes: 1 });
    const skip = Math.max(0, total - limitBytes);
    const { data } = await readStepOutput(this.core, run, { step, skip, maxBytes: limitBytes });
    return plainOutput(new TextDecoder().decode(data));
  }
}

/** Parameters as the schema wants them: what is no text there is read as JSON. */
export function typed(
  { properties }: Readonly<Record<string, unknown>>,
  parameters: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const known = (properties ?? {}) as Readonly<Record<string, { readonly type?: unknown } | undefined>>;
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => {
      const type = Object.hasOwn(known, name) ? known[name]?.type : undefined;
      if (type === undefined || type === 'string') return [name, value];
      try {
        return [name, JSON.parse(value) as unknown];
      } catch {
        // The check of the arguments says what it should have been.
        return [name, value];
      }
    }),
  );
}

function skipped(reason: string, sessionId: string | undefined): string {
  if (reason === 'unconfigured' && sessionId === undefined)
    return 'This tool needs a session: give its session_id.';
  return `It was not called: ${reason}.`;
}
