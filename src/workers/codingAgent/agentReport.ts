import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import type { RunnerResult } from '../../core/runs/run.ts';
import type { RunEventData, RunEventType, StepExecutionResult } from '../../core/runs/runEvents.ts';
import { contractEnding } from '../../core/runs/runResult.ts';
import { outputTailLength } from '../shell/outputText.ts';
import type { AgentEnd, AgentEvent, AgentFailure } from './agentAdapter.ts';
import { clipped, cut, pieceBytes, pieces } from './clip.ts';

/** Resolves once the event is journaled. */
export type EmitAgentEvent = <T extends RunEventType>(type: T, data: RunEventData[T]) => Promise<void>;

/** Text that comes together is told together. */
const joinMs = 16;
/** What a run keeps of what its agent says and of its tools, in bytes; an agent without end would fill the disk. */
const keptBytes = 32 * 1024 * 1024;
/** What stands in a journal beside the payload, about. */
const eventBytes = 300;
/** With so many bytes on their way to the journal, no more are read. */
const windowBytes = 1024 * 1024;
const step = 1;

/** How a coding agent's program ended. */
export interface AgentExit {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
}

/** Tells the story of a coding agent as that of a run with one step: its task. After `finish` nothing more is told. */
export class AgentReport implements Disposable {
  private readonly spec: CodingAgentSpec;
  private readonly emit: EmitAgentEvent;
  private readonly clock: Clock;
  private readonly startedMs: number;
  /** Calls under way: their server and tool. */
  private readonly calls = new Map<string, { readonly server: string; readonly tool: string }>();
  private pending: { readonly kind: 'text' | 'thinking'; text: string } | undefined;
  private timer: Disposable | undefined;
  private keptLeft = keptBytes;
  private textBytes = 0;
  private tail = '';
  private conversation: string | null = null;
  private model: string | null = null;
  private unjournaled = 0;
  private wake: () => void = () => undefined;

  constructor(spec: CodingAgentSpec, emit: EmitAgentEvent, clock: Clock) {
    this.spec = spec;
    this.emit = emit;
    this.clock = clock;
    this.startedMs = clock.now();
  }

  /** Whether the agent has said or done anything. */
  get hasContent(): boolean {
    return this.keptLeft < keptBytes || this.pending !== undefined;
  }

  begin(): void {
    const { runId, task, platform } = this.spec;
    this.tell('response.in_progress', { status: 'running', run_id: runId });
    this.tell('runner.started', { task, max_steps: 1, platform });
    this.tell('runner.steps.planned', { commands: [task] });
    this.tell('runner.step.started', { step });
    this.tell('runner.step.execution.started', { step, mode: 'controller_execute', exec_code: task });
  }

  abortRequested(reason: string): void {
    this.flush();
    this.tell('runner.abort.requested', { reason });
  }

  add(event: AgentEvent): void {
    switch (event.kind) {
      case 'text':
      case 'thinking':
        this.addText(event.kind, event.text);
        break;
      case 'conversation': {
        const { id, model } = event;
        [this.conversation, this.model] = [id, model];
        this.tell('runner.conversation', { conversation_id: id, model });
        break;
      }
      case 'tool.started':
        this.startCall(event);
        break;
      case 'tool.ended':
        this.endCall(event);
        break;
      case 'usage':
        this.flush();
        this.tell('runner.usage', {
          input_tokens: event.inputTokens,
          output_tokens: event.outputTokens,
          cost_usd: event.costUsd,
        });
        break;
      case 'end':
        break;
    }
  }

  /** Resolves once there is room for more. */
  async room(): Promise<void> {
    while (this.unjournaled > windowBytes) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** @param failure why, where it is the agent's own doing that there is no good end. */
  finish(outcome: RunnerResult['outcome'], exit: AgentExit, end?: AgentEnd, failure?: AgentFailure): void {
    this.flush();
    const { runId, task, agent } = this.spec;
    const verdict = contractEnding(outcome);
    const { status, completion_reason } = verdict;
    const result: StepExecutionResult = {
      exit_code: exit.exitCode,
      duration_ms: Math.max(0, this.clock.now() - this.startedMs),
      terminal_id: null,
      output_from: 0,
      output_to: this.textBytes,
      outcome,
    };
    const mode = 'controller_execute';
    this.tell('runner.step.execution.completed', { step, mode, did_click: false, result });
    this.tell('runner.step.completed', {
      step,
      action: task,
      ...(outcome === 'succeeded'
        ? ({ status: 'success', completion_reason: 'DONE' } as const)
        : ({ status: 'failed', completion_reason: 'FAIL' } as const)),
    });
    this.tell('runner.completed', { status, completion_reason, steps: 1 });
    const text = end?.text ?? this.tail;
    this.tell('response', {
      run_id: runId,
      task,
      ...verdict,
      steps: [
        {
          step_index: 1,
          plan: task,
          action: task,
          exec_code: task,
          execution_result: { ...result, output_tail: text.slice(-outputTailLength) },
          reflection: null,
          reflection_thoughts: null,
          info: {
            engine: agent,
            conversation_id: this.conversation,
            model: this.model,
            text: cut(text, pieceBytes),
            ...end?.info,
          },
          behavior_fact_thoughts: null,
          behavior_fact_answer: null,
          action_kind: 'gui',
        },
      ],
      grounding_prompts: {},
    });
    if (failure === undefined) this.tell('response.completed', verdict);
    else this.fail({ reason: failure.reason, message: failure.message });
  }

  /** There is no result: the program could not be started, or this worker failed. */
  fail({ reason, message }: { readonly reason: string; readonly message: string }): void {
    this.flush();
    const data = { error: message, reason };
    this.tell('response.failed', data);
    this.tell('error', data);
  }

  dispose(): void {
    this.timer?.dispose();
  }

  private addText(kind: 'text' | 'thinking', text: string): void {
    if (this.pending?.kind !== kind) this.flush();
    this.pending ??= { kind, text: '' };
    this.pending.text += text;
    if (this.pending.text.length >= pieceBytes) this.flush();
    else this.timer ??= this.clock.setTimer(joinMs, () => this.flush());
  }

  private flush(): void {
    this.timer?.dispose();
    this.timer = undefined;
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    for (const text of pieces(pending.text)) {
      const bytes = Buffer.byteLength(text);
      if (pending.kind === 'text') this.tail = (this.tail + text).slice(-outputTailLength);
      if (!this.keep(bytes)) return;
      const delta = { source: 'worker.generator', step, text } as const;
      if (pending.kind === 'thinking') {
        this.tell('worker.generator.reasoning.delta', delta, bytes);
      } else {
        this.textBytes += bytes;
        this.tell('worker.generator.output.delta', { ...delta, to: this.textBytes }, bytes);
      }
    }
  }

  /** @returns whether there is room for so much in what is kept of the run; says so once where there is none. */
  private keep(bytes: number): boolean {
    if (this.keptLeft <= 0) return false;
    this.keptLeft -= bytes + eventBytes;
    if (this.keptLeft > 0) return true;
    const text = `\n[${keptBytes / 2 ** 20} MiB are kept of what a run says; the rest is left out.]\n`;
    this.textBytes += Buffer.byteLength(text);
    const delta = { source: 'worker.generator', step, text } as const;
    this.tell('worker.generator.output.delta', { ...delta, to: this.textBytes });
    return false;
  }

  private startCall(call: Extract<AgentEvent, { kind: 'tool.started' }>): void {
    const { callId, tool, server = this.spec.agent } = call;
    // Told twice by some, with the input complete the second time only; the first word counts.
    if (this.calls.has(callId)) return;
    this.flush();
    const input = clipped(call.input);
    const bytes = sizeOf(input);
    if (!this.keep(bytes)) return;
    this.calls.set(callId, { server, tool });
    this.tell('mcp.call.started', { step, server, tool, call_id: callId, arguments: input }, bytes);
  }

  private endCall({ callId, hasFailed, response }: Extract<AgentEvent, { kind: 'tool.ended' }>): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    this.calls.delete(callId);
    this.flush();
    const facts = { step, ...call, call_id: callId };
    const answer = clipped(response);
    const bytes = sizeOf(answer);
    this.keep(bytes);
    if (!hasFailed) {
      this.tell('mcp.call.completed', { ...facts, response: answer }, bytes);
    } else {
      const error = typeof answer === 'string' ? answer : JSON.stringify(answer);
      this.tell('mcp.call.failed', { ...facts, error }, bytes);
    }
  }

  private tell<T extends RunEventType>(type: T, data: RunEventData[T], bytes = 0): void {
    const size = bytes + eventBytes;
    this.unjournaled += size;
    const settled = (): void => {
      this.unjournaled -= size;
      this.wake();
    };
    // Whoever made `emit` remembers the loss and fails by it.
    this.emit(type, data).then(settled, settled);
  }
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}
