import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { codingAgents, type CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import { outputTail } from '../shell/outputText.ts';
import { adapters } from './adapters.ts';
import {
  type AgentAdapter,
  type AgentEnd,
  type AgentEvent,
  type AgentFailure,
  type AgentReader,
  isJson,
} from './agentAdapter.ts';
import { failureReason } from './agentFailure.ts';
import { AgentProgram, type ProgramExit } from './agentProgram.ts';
import { AgentReport } from './agentReport.ts';
import type { EmitRunEvent } from '../../core/runs/runTeller.ts';

export interface AgentRunnerDependencies {
  readonly emit: EmitRunEvent;
  readonly clock: Clock;
  /** The worker's own; the agent gets it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const newConversation = { conversation: null, usedBefore: { inputTokens: 0, outputTokens: 0 } };

interface Attempt {
  readonly exit: ProgramExit;
  readonly end: AgentEnd | undefined;
}

/** The longest that a timer can wait, 24.8 days. */
const maxTimerMs = 2 ** 31 - 1;

/** Gives one task to a coding agent and reports what it does. `run` ends when everything was reported. */
export class AgentRunner implements Disposable {
  private readonly spec: CodingAgentSpec;
  private readonly dependencies: AgentRunnerDependencies;
  private readonly adapter: AgentAdapter;
  private readonly disposables = new DisposableStore();
  private readonly report: AgentReport;
  private program: AgentProgram | undefined;
  private end: AgentEnd | undefined;
  private stopped: 'cancelled' | 'timed_out' | undefined;

  constructor(spec: CodingAgentSpec, dependencies: AgentRunnerDependencies) {
    this.spec = spec;
    this.dependencies = dependencies;
    this.adapter = adapters[spec.agent];
    this.report = this.disposables.add(new AgentReport(spec, dependencies.emit, dependencies.clock));
  }

  /** Ends the run as cancelled. May be called at any time, also before `run`. */
  abort(reason: string): void {
    if (this.stop('cancelled')) this.report.abortRequested(reason);
  }

  async run(): Promise<void> {
    this.report.begin();
    const { timeoutMs } = this.spec;
    if (timeoutMs !== null) {
      const limit = Math.min(timeoutMs, maxTimerMs);
      this.disposables.add(this.dependencies.clock.setTimer(limit, () => void this.stop('timed_out')));
    }
    try {
      let attempt = await this.attempt(this.spec);
      // The agent has forgotten it, or keeps it for another directory: better a new one than none.
      if (this.hasLostConversation(attempt))
        attempt = await this.attempt({ ...this.spec, ...newConversation });
      this.finish(attempt);
    } catch (error) {
      this.report.fail(OrchestratorError.from(error).toShape());
    }
  }

  dispose(): void {
    this.program?.dispose();
    this.disposables.dispose();
  }

  /** @returns whether this was the first request. */
  private stop(outcome: 'cancelled' | 'timed_out'): boolean {
    if (this.stopped !== undefined) return false;
    this.stopped = outcome;
    this.program?.stop();
    return true;
  }

  private async attempt(spec: CodingAgentSpec): Promise<Attempt> {
    const reader = this.adapter.newReader(spec);
    this.end = undefined;
    const program = new AgentProgram({
      file: spec.program,
      args: this.adapter.arguments(spec),
      cwd: spec.cwd,
      env: this.environment(spec),
      input: spec.task,
      clock: this.dependencies.clock,
    });
    this.program = program;
    if (this.stopped !== undefined) program.stop();
    try {
      const exit = await program.run((message) => this.take(reader, program, message));
      if (exit.exitCode === 0 && !this.hasEnded()) this.handle(reader.exited?.() ?? [], program);
      return { exit, end: this.end };
    } finally {
      program.dispose();
    }
  }

  private async take(reader: AgentReader, program: AgentProgram, message: unknown): Promise<void> {
    if (!isJson(message) || this.hasEnded()) return;
    this.handle(reader.read(message), program);
    await this.report.room();
  }

  private hasEnded(): boolean {
    return this.end !== undefined;
  }

  private handle(events: readonly AgentEvent[], program: AgentProgram): void {
    for (const event of events) {
      if (event.kind === 'end') {
        this.end = event;
        program.finish();
      } else {
        this.report.add(event);
      }
    }
  }

  private environment(spec: CodingAgentSpec): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.dependencies.environment)) {
      // It says that an editor is to be Node: of no concern to the agent.
      if (value !== undefined && name !== 'ELECTRON_RUN_AS_NODE') env[name] = value;
    }
    return { ...env, ...this.adapter.environment?.(spec) };
  }

  private hasLostConversation({ exit, end }: Attempt): boolean {
    if (this.spec.conversation === null || this.stopped !== undefined || this.report.hasContent) return false;
    return this.adapter.lostConversation.test(`${end?.failure?.message ?? ''}\n${exit.complaint}`);
  }

  private finish({ exit, end }: Attempt): void {
    // What was done before anybody asked for the end is done.
    if (end !== undefined && end.failure === undefined) this.report.finish('succeeded', exit, end);
    else if (this.stopped !== undefined) this.report.finish(this.stopped, exit, end);
    else this.report.finish('failed', exit, end, end?.failure ?? this.noResult(exit));
  }

  private noResult({ exitCode, signal, complaint }: ProgramExit): AgentFailure {
    const { title } = codingAgents[this.spec.agent];
    const how =
      exitCode === null ? `was ended by ${signal ?? 'a signal'}` : `ended with exit code ${exitCode}`;
    const said = outputTail(Buffer.from(complaint), true).trim();
    const message = `${title} ${how} without a result.${said === '' ? '' : `\n${said}`}`;
    const reason = failureReason(said);
    return { reason: reason === 'agent_failed' ? 'no_result' : reason, message };
  }
}
