import { type Disposable, DisposableStore } from '../../../base/disposable.ts';
import type { Clock } from '../../../base/clock.ts';
import { cut } from '../../../base/clip.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { ModelRunSpec } from '../../runs/modelRunSpec.ts';
import type { EmitRunEvent } from '../../runs/runTeller.ts';
import type { ToolSet } from '../../tools/toolSet.ts';
import type { LanguageModel, ModelPrompt, ModelTool } from '../languageModel.ts';
import { priceOf } from '../modelProvider.ts';
import { abortable } from './abortable.ts';
import { Budget, bytesOf } from './budget.ts';
import { CodeAgent } from './codeAgent.ts';
import { type CodeRunner, codeTool } from './codeTool.ts';
import { History } from './history.ts';
import { askModel, type AnswerListener, isPassing, type ModelAnswer } from './modelAnswer.ts';
import { ModelReport } from './modelReport.ts';
import { reflectionNote, reflectionPrompt, saysFail, systemPrompt } from './prompts.ts';
import { carryOut } from './toolCalls.ts';

export interface ModelLoopPorts {
  readonly model: LanguageModel;
  /** Opened when the run begins, and closed with it. Its errors end the run. */
  openTools(signal: AbortSignal): Promise<ToolSet>;
  /** Undefined where no code may be run. */
  readonly code: CodeRunner | undefined;
  readonly emit: EmitRunEvent;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Ends the run as cancelled; its reason is told where it is a text. */
  readonly signal: AbortSignal;
}

/** An answer whose size nobody can bound by tokens is cut at so many bytes a token. */
const maxBytesPerToken = 16;
const reflectionTokens = 512;
/** What a call in a step's `exec_code` shows of its arguments, in characters. */
const shownArguments = 500;
/** The longest that a timer can wait, 24.8 days. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Lets a model carry out a task, one answer with its calls after the other, and tells what happens. Resolves when all
 * was told, and never fails: what goes wrong is the run's end.
 */
export async function runModelLoop(spec: ModelRunSpec, ports: ModelLoopPorts): Promise<void> {
  const disposables = new DisposableStore();
  const report = disposables.add(new ModelReport(spec, ports.emit, ports.clock));
  report.begin();
  const stop = disposables.add(new Stop(spec.timeoutMs, ports, (reason) => report.abortRequested(reason)));
  try {
    await using tools = await openTools(ports, stop.signal);
    await new ModelLoop(spec, ports, tools, report, stop).run();
  } catch (error) {
    if (stop.outcome !== undefined) report.finish(stop.outcome, '');
    else report.fail(OrchestratorError.from(error).toShape());
  } finally {
    disposables.dispose();
  }
}

/** Those that come after the end are closed at once. */
async function openTools(ports: ModelLoopPorts, signal: AbortSignal): Promise<ToolSet> {
  const opening = ports.openTools(signal);
  try {
    return await abortable(opening, signal);
  } catch (error) {
    opening
      .then(
        (tools) => tools[Symbol.asyncDispose](),
        () => undefined,
      )
      .catch(() => undefined);
    throw error;
  }
}

/** Ends a run before its time: somebody asked for it, or its time is up. */
class Stop implements Disposable {
  /** Undefined while it goes on. */
  outcome: 'cancelled' | 'timed_out' | undefined;
  private readonly controller = new AbortController();
  private readonly disposables = new DisposableStore();

  constructor(
    timeoutMs: number | null,
    { clock, signal }: ModelLoopPorts,
    onRequest: (reason: string) => void,
  ) {
    const cancel = (): void => {
      if (this.end('cancelled')) onRequest(typeof signal.reason === 'string' ? signal.reason : 'requested');
    };
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { signal: this.controller.signal });
    if (timeoutMs === null) return;
    this.disposables.add(clock.setTimer(Math.min(timeoutMs, maxTimerMs), () => void this.end('timed_out')));
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  dispose(): void {
    this.disposables.dispose();
    this.controller.abort();
  }

  /** @returns whether this was the first end. */
  private end(outcome: 'cancelled' | 'timed_out'): boolean {
    if (this.outcome !== undefined) return false;
    this.outcome = outcome;
    this.controller.abort();
    return true;
  }
}

class ModelLoop {
  private readonly spec: ModelRunSpec;
  private readonly ports: ModelLoopPorts;
  private readonly tools: ToolSet;
  private readonly report: ModelReport;
  private readonly stop: Stop;
  private readonly offered: readonly ModelTool[];
  private readonly code: CodeAgent | undefined;
  private readonly budget: Budget;
  private readonly history: History;
  private historyLimit: number;

  constructor(spec: ModelRunSpec, ports: ModelLoopPorts, tools: ToolSet, report: ModelReport, stop: Stop) {
    this.spec = spec;
    this.ports = ports;
    this.tools = tools;
    this.report = report;
    this.stop = stop;
    const { code } = ports;
    this.offered = [...tools.tools, ...(code === undefined ? [] : [codeTool(code.place)])];
    this.code = code === undefined ? undefined : new CodeAgent(spec.task, code, report.teller);
    const { provider, model, maxTokens, maxCostUsd, maxOutputTokens } = spec;
    this.budget = new Budget({ maxTokens, maxCostUsd, maxOutputTokens, price: priceOf(provider, model) });
    this.history = new History(this.offered);
    this.historyLimit = bytesOf(Math.max(1_000, provider.contextTokens - maxOutputTokens));
  }

  async run(): Promise<void> {
    const { spec, report, stop, history } = this;
    report.configured(this.tools);
    history.add({ role: 'system', text: systemPrompt(spec, this.offered.length > 0) });
    history.add({ role: 'user', text: spec.task });
    try {
      for (let step = 1; step <= spec.maxSteps; step += 1) {
        const last = await this.step(step);
        if (last === undefined) continue;
        const hasFailed = last.end === 'refused' || saysFail(last.text);
        this.finish(hasFailed ? 'failed' : 'succeeded', last.text);
        return;
      }
      this.finish('timed_out', '');
    } catch (error) {
      if (stop.outcome !== undefined) this.finish(stop.outcome, '');
      else this.finish('failed', '', OrchestratorError.from(error));
    }
  }

  /** @returns the answer that is the last one; undefined where the run goes on. */
  private async step(step: number): Promise<ModelAnswer | undefined> {
    const { report, history, budget, stop } = this;
    stop.signal.throwIfAborted();
    report.beginStep(step);
    await this.reflect(step);
    const answer = await this.answer(step);
    if (answer.calls.length === 0 || answer.end === 'refused') {
      if (answer.end === 'length') throw this.cutShort(answer);
      report.ready(
        step,
        answer.text,
        answer.end === 'refused' || saysFail(answer.text) ? 'FAIL' : 'DONE',
        '',
      );
      return answer;
    }
    history.add({ role: 'assistant', content: answer.content });
    // What it asks for now would come to nothing.
    budget.check();
    const names = answer.calls.map(({ name }) => name).join(', ');
    const lines = answer.calls.map(
      ({ name, arguments: input }) => `${name}(${input.slice(0, shownArguments)})`,
    );
    report.ready(step, answer.text, cut(names, 200), lines.join('\n'));
    const { tools, code } = this;
    const carried = await carryOut(step, answer.calls, answer.text, {
      tools,
      code,
      report,
      signal: stop.signal,
    });
    history.add({ role: 'tool', results: carried.results });
    report.carriedOut(step, carried.records);
    report.endStep(
      'in_progress',
      carried.records.some(({ outcome }) => outcome === 'completed') ? 'succeeded' : 'failed',
    );
    return undefined;
  }

  private async answer(step: number): Promise<ModelAnswer> {
    const { report, spec } = this;
    const listener = report.listener(step, (bytes) => {
      // It was most likely charged for; a provider that broke off does not say.
      report.spent(this.budget.spend(undefined, this.history.bytes, bytes));
      this.budget.check();
    });
    const ask = (): Promise<ModelAnswer> => this.ask(step, this.offered, spec.maxOutputTokens, listener);
    let answer: ModelAnswer;
    try {
      answer = await ask();
    } catch (error) {
      if (!OrchestratorError.is(error, 'context_overflow')) throw error;
      // The provider's idea of its limit is the true one: once more with much less, if there is anything to leave out.
      this.historyLimit = Math.floor(Math.min(this.historyLimit, this.history.bytes) / 2);
      if (!this.shorten(step)) throw error;
      answer = await ask();
    }
    report.answered(step, answer);
    return answer;
  }

  private async ask(
    step: number,
    tools: readonly ModelTool[],
    limit: number,
    listener: AnswerListener,
  ): Promise<ModelAnswer> {
    const { ports, history, budget, report, stop, spec } = this;
    this.shorten(step);
    const promptBytes = history.bytes;
    const maxOutputTokens = Math.min(limit, budget.outputTokensAfter(promptBytes));
    const prompt: ModelPrompt = {
      messages: history.messages,
      tools,
      maxOutputTokens,
      reasoningEffort: spec.reasoningEffort ?? undefined,
    };
    const { model, clock, random } = ports;
    // With little left, what it says is counted against that; otherwise its provider's own count is good enough.
    const maxBytes = budget.isShort(promptBytes)
      ? bytesOf(maxOutputTokens)
      : maxOutputTokens * maxBytesPerToken;
    const answer = await askModel({ model, prompt, maxBytes, listener, clock, random, signal: stop.signal });
    report.spent(budget.spend(answer.usage, promptBytes, answer.bytes));
    if (answer.end === 'length' && maxOutputTokens < limit) throw budget.exhausted();
    return answer;
  }

  /** An opinion, and no more: without one the run goes on. */
  private async reflect(step: number): Promise<void> {
    const { report, history, stop } = this;
    if (!this.spec.reflects || step === 1) {
      report.skipsReflection(step, this.spec.reflects ? 'initial_step' : 'disabled');
      return;
    }
    report.reflects(step);
    history.add({ role: 'user', text: reflectionPrompt });
    try {
      const { text } = await this.ask(step, this.offered, reflectionTokens, {});
      history.replaceLast({ role: 'user', text: reflectionNote(text) });
      report.reflected(step, text);
    } catch (error) {
      if (stop.outcome !== undefined || !isOpinionLost(error)) throw error;
      history.replaceLast(undefined);
      report.reflected(step, '');
    }
  }

  private shorten(step: number): boolean {
    const done = this.history.fit(this.historyLimit);
    if (done !== undefined) this.report.shortened(step, done);
    return done !== undefined;
  }

  private cutShort({ isCut }: ModelAnswer): OrchestratorError {
    const { maxOutputTokens, model } = this.spec;
    return new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'output_limit',
      `An answer of ${model} was cut ${isCut ? 'by us, as its provider did not end it, ' : ''}at ${maxOutputTokens} tokens. ` +
        'Allow longer answers, or give it a smaller task.',
    );
  }

  private finish(
    outcome: 'succeeded' | 'failed' | 'cancelled' | 'timed_out',
    answer: string,
    failure?: OrchestratorError,
  ): void {
    this.code?.end(outcome === 'succeeded');
    this.report.finish(outcome, answer, failure);
  }
}

function isOpinionLost(error: unknown): boolean {
  return OrchestratorError.is(error) && (isPassing(error) || error.reason === 'output_limit');
}
