import { byteLength, clipped, cut, pieceBytes } from '../../../base/clip.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Disposable } from '../../../base/disposable.ts';
import type { ErrorShape, OrchestratorError } from '../../../base/errors.ts';
import { modelEngine, type ModelRunSpec } from '../../runs/modelRunSpec.ts';
import type { RunnerResult, RunnerStep } from '../../runs/run.ts';
import type { RunEventData, StepExecutionResult } from '../../runs/runEvents.ts';
import { contractEnding } from '../../runs/runResult.ts';
import { type EmitRunEvent, RunTeller } from '../../runs/runTeller.ts';
import type { ToolSet } from '../../tools/toolSet.ts';
import type { Expense } from './budget.ts';
import type { Shortening } from './history.ts';
import type { AnswerListener, ModelAnswer } from './modelAnswer.ts';

/** What a step that is not the last one keeps of its text in the result, in bytes: all of it is in the events. */
const planBytes = 4 * 1024;
const source = 'worker.generator';
const mode = 'controller_execute';

/** What came of one call, for the result. */
export interface CallRecord {
  readonly call_id: string;
  readonly server: string;
  readonly tool: string;
  readonly outcome: 'completed' | 'failed' | 'skipped';
}

interface StepStory {
  readonly step: number;
  readonly startedMs: number;
  plan: string;
  reflection: string | null;
  action: string;
  execCode: string;
  calls: readonly CallRecord[];
  expense: Expense | undefined;
}

export type StepEnd = 'in_progress' | 'success' | 'failed';

/** Tells the story of a model's run, as contract 004 has it. After `finish` or `fail` nothing more is told. */
export class ModelReport implements Disposable {
  readonly teller: RunTeller;
  private readonly spec: ModelRunSpec;
  private readonly clock: Clock;
  private readonly steps: RunnerStep[] = [];
  private story: StepStory | undefined;
  private hasTextOfAttempt = 0;

  constructor(spec: ModelRunSpec, emit: EmitRunEvent, clock: Clock) {
    this.spec = spec;
    this.clock = clock;
    this.teller = new RunTeller(emit, clock);
  }

  begin(): void {
    this.teller.tell('response.in_progress', { status: 'running', run_id: this.spec.runId });
  }

  /** What it can call, and then that it begins. */
  configured({ constraints, tools, unavailable }: ToolSet): void {
    const { teller, spec } = this;
    const effective = tools.map(({ name, provider }) => ({ name, provider }));
    teller.tell('runner.tools.configured', { ...constraints, effective, unavailable });
    for (const [server, found] of Map.groupBy(tools, ({ provider }) => provider)) {
      const actions = found.map(({ name }) => name);
      teller.tell('mcp.actions.registration.completed', { server, actions });
    }
    for (const { provider: server, tool, reason } of unavailable) {
      if (tool === null) teller.tell('mcp.actions.registration.skipped', { server, reason });
    }
    const { task, maxSteps, platformHint, platform, ignored } = spec;
    teller.tell('runner.started', { task, max_steps: maxSteps, platform: platformHint ?? platform });
    if (ignored.length > 0) {
      teller.tell('runner.hints.ignored', { engine: modelEngine, fields: ignored });
    }
  }

  beginStep(step: number): void {
    this.story = {
      step,
      startedMs: this.clock.now(),
      plan: '',
      reflection: null,
      action: '',
      execCode: '',
      calls: [],
      expense: undefined,
    };
    this.teller.beginStep(step);
    this.teller.tell('runner.step.started', { step });
    this.teller.tell('worker.step.started', { step });
  }

  reflects(step: number): void {
    this.teller.tell('worker.reflection.started', { step });
  }

  skipsReflection(step: number, reason: 'disabled' | 'initial_step'): void {
    this.teller.tell('worker.reflection.skipped', { step, reason });
  }

  reflected(step: number, reflection: string): void {
    const text = cut(reflection, pieceBytes);
    if (this.story !== undefined) this.story.reflection = text;
    this.teller.tell(
      'worker.reflection.completed',
      { step, reflection: text, thoughts: null },
      byteLength(text),
    );
  }

  shortened(step: number, { results, bytesBefore, bytesAfter }: Shortening): void {
    const data = { step, results, bytes_before: bytesBefore, bytes_after: bytesAfter };
    this.teller.tell('worker.history.shortened', data);
  }

  /** Hears of the step's answer while it is made. */
  listener(step: number, onWaste: (bytes: number) => void): AnswerListener {
    const { teller } = this;
    const model = this.spec.model;
    return {
      attempted: (attempt) => {
        this.hasTextOfAttempt = teller.textBytes;
        teller.tell('worker.generator.started', { step, attempt, model });
      },
      said: (kind, text) => {
        teller.say(kind === 'text' ? 'text' : 'thinking', text);
      },
      failed: (attempt, { message: error }, retryInMs, bytes) => {
        teller.flush();
        if (bytes > 0) {
          teller.tell('worker.generator.stream.error', { source, step, error });
          onWaste(bytes);
        }
        const text_to = this.hasTextOfAttempt;
        if (retryInMs !== null) teller.takeBack(text_to);
        teller.tell('worker.generator.failed', {
          step,
          attempt,
          error,
          retry_in_ms: retryInMs,
          text_to: teller.textBytes,
        });
      },
      room: () => teller.room(),
    };
  }

  answered(step: number, { text, attempts }: ModelAnswer): void {
    const { teller } = this;
    teller.flush();
    teller.tell('worker.generator.stream.completed', { source, step });
    const told = cut(text, pieceBytes);
    const { model } = this.spec;
    teller.tell('worker.generator.completed', { step, attempts, model, text: told }, byteLength(told));
  }

  spent(expense: Expense): void {
    const { story } = this;
    const before = story?.expense;
    if (story !== undefined) {
      story.expense = {
        inputTokens: expense.inputTokens + (before?.inputTokens ?? 0),
        outputTokens: expense.outputTokens + (before?.outputTokens ?? 0),
        costUsd: expense.costUsd === null ? null : expense.costUsd + (before?.costUsd ?? 0),
      };
    }
    this.teller.flush();
    this.teller.tell('runner.usage', {
      input_tokens: expense.inputTokens,
      output_tokens: expense.outputTokens,
      cost_usd: expense.costUsd,
    });
  }

  /** What the step is about to do: its action in a word, and to the letter. */
  ready(step: number, plan: string, action: string, execCode: string): void {
    const { story, teller } = this;
    if (story === undefined) return;
    const [short, code] = [cut(plan, planBytes), cut(execCode, planBytes)];
    [story.plan, story.action, story.execCode] = [short, action, code];
    const { reflection } = story;
    teller.tell('worker.step.ready', {
      step,
      plan: short,
      plan_code: code,
      exec_code: code,
      reflection,
      reflection_thoughts: null,
    });
    teller.tell('runner.step.agent_response', {
      step,
      action,
      exec_code: code,
      normalized_action: action.trim().toUpperCase(),
      info: { plan: short, ...(reflection === null ? {} : { reflection }) },
    });
    if (code !== '') teller.tell('runner.step.execution.started', { step, mode, exec_code: code });
  }

  /** One call's own word; `bytes` of what may be big in it. */
  call<T extends `mcp.call.${string}` & keyof RunEventData>(
    type: T,
    data: RunEventData[T],
    bytes: number,
  ): void {
    this.teller.keep(bytes);
    this.teller.tell(type, data, bytes);
  }

  /** The calls of the step are through. */
  carriedOut(step: number, calls: readonly CallRecord[]): void {
    const { story } = this;
    if (story === undefined) return;
    story.calls = calls;
    const result = this.execution(
      story,
      calls.some(({ outcome }) => outcome === 'completed') ? 'succeeded' : 'failed',
    );
    this.teller.tell('runner.step.execution.completed', { step, mode, did_click: false, result });
  }

  endStep(end: StepEnd, outcome: StepExecutionResult['outcome']): void {
    const { story, teller } = this;
    if (story === undefined) return;
    teller.flush();
    this.steps.push(this.runnerStep(story, outcome));
    this.story = undefined;
    teller.tell('runner.step.completed', {
      step: story.step,
      status: end,
      action: story.action,
      completion_reason: end === 'in_progress' ? null : end === 'success' ? 'DONE' : 'FAIL',
    });
  }

  abortRequested(reason: string): void {
    this.teller.flush();
    this.teller.tell('runner.abort.requested', { reason });
  }

  /** @param answer the model's last word. @param failure why there is no good end, where that is nobody's decision. */
  finish(outcome: RunnerResult['outcome'], answer: string, failure?: OrchestratorError): void {
    const { teller } = this;
    this.endStep(outcome === 'succeeded' ? 'success' : 'failed', outcome);
    const { runId, task } = this.spec;
    const verdict = contractEnding(outcome);
    const { status, completion_reason } = verdict;
    teller.tell('runner.completed', { status, completion_reason, steps: this.steps.length });
    const text = cut(answer, pieceBytes);
    const last = this.steps.at(-1);
    const steps =
      last === undefined || text === ''
        ? this.steps
        : [...this.steps.slice(0, -1), { ...last, info: { ...last.info, text } }];
    const result = { run_id: runId, task, ...verdict, steps, grounding_prompts: {} };
    teller.tell('response', result, byteLength(text));
    if (failure === undefined) teller.tell('response.completed', verdict);
    else this.fail(failure);
  }

  /** There is no result, or none that anybody wanted. */
  fail({ reason, message }: Pick<ErrorShape, 'reason' | 'message'>): void {
    this.teller.flush();
    const data = { error: message, reason };
    this.teller.tell('response.failed', data);
    this.teller.tell('error', data);
  }

  dispose(): void {
    this.teller.dispose();
  }

  private execution({ startedMs }: StepStory, outcome: StepExecutionResult['outcome']): StepExecutionResult {
    return {
      exit_code: null,
      duration_ms: Math.max(0, this.clock.now() - startedMs),
      terminal_id: null,
      output_from: 0,
      output_to: this.teller.textBytes,
      outcome,
    };
  }

  private runnerStep(story: StepStory, outcome: StepExecutionResult['outcome']): RunnerStep {
    const { step, plan, action, execCode, reflection, calls, expense } = story;
    const { provider, model } = this.spec;
    return {
      step_index: step,
      plan,
      action,
      exec_code: execCode,
      execution_result: { ...this.execution(story, outcome), ...(calls.length === 0 ? {} : { calls }) },
      reflection,
      reflection_thoughts: null,
      info: {
        engine: modelEngine,
        provider: provider.id,
        model,
        input_tokens: expense?.inputTokens ?? 0,
        output_tokens: expense?.outputTokens ?? 0,
        cost_usd: expense?.costUsd ?? null,
      },
      behavior_fact_thoughts: null,
      behavior_fact_answer: null,
      action_kind: calls.length === 0 ? 'gui' : 'mcp',
    };
  }
}

/** What an event carries of a value that somebody else made, with its size. */
export function payloadOf(value: unknown): { readonly value: unknown; readonly bytes: number } {
  const short = clipped(value);
  return { value: short, bytes: byteLength(typeof short === 'string' ? short : JSON.stringify(short)) };
}
