import { clipped, cut, pieceBytes } from '../../base/clip.ts';
import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { CodingAgentSpec } from '../../core/runs/codingAgents.ts';
import type { RunnerResult } from '../../core/runs/run.ts';
import type { StepExecutionResult } from '../../core/runs/runEvents.ts';
import { contractEnding } from '../../core/runs/runResult.ts';
import { type EmitRunEvent, RunTeller, sizeOf } from '../../core/runs/runTeller.ts';
import { outputTailLength } from '../shell/outputText.ts';
import type { AgentEnd, AgentEvent, AgentFailure } from './agentAdapter.ts';

const step = 1;

/** How a coding agent's program ended. */
export interface AgentExit {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
}

/** Tells the story of a coding agent as that of a run with one step: its task. After `finish` nothing more is told. */
export class AgentReport implements Disposable {
  private readonly spec: CodingAgentSpec;
  private readonly teller: RunTeller;
  private readonly clock: Clock;
  private readonly startedMs: number;
  /** Calls under way: their server and tool. */
  private readonly calls = new Map<string, { readonly server: string; readonly tool: string }>();
  private tail = '';
  private conversation: string | null = null;
  private model: string | null = null;

  constructor(spec: CodingAgentSpec, emit: EmitRunEvent, clock: Clock) {
    this.spec = spec;
    this.teller = new RunTeller(emit, clock);
    this.clock = clock;
    this.startedMs = clock.now();
  }

  /** Whether the agent has said or done anything. */
  get hasContent(): boolean {
    return this.teller.hasContent;
  }

  begin(): void {
    const { runId, task, platform } = this.spec;
    this.teller.tell('response.in_progress', { status: 'running', run_id: runId });
    this.teller.tell('runner.started', { task, max_steps: 1, platform });
    this.teller.tell('runner.steps.planned', { commands: [task] });
    this.teller.tell('runner.step.started', { step });
    this.teller.tell('runner.step.execution.started', { step, mode: 'controller_execute', exec_code: task });
  }

  abortRequested(reason: string): void {
    this.teller.flush();
    this.teller.tell('runner.abort.requested', { reason });
  }

  add(event: AgentEvent): void {
    switch (event.kind) {
      case 'text':
      case 'thinking':
        if (event.kind === 'text') this.tail = (this.tail + event.text).slice(-outputTailLength);
        this.teller.say(event.kind, event.text);
        break;
      case 'conversation': {
        const { id, model } = event;
        [this.conversation, this.model] = [id, model];
        this.teller.tell('runner.conversation', { conversation_id: id, model });
        break;
      }
      case 'tool.started':
        this.startCall(event);
        break;
      case 'tool.ended':
        this.endCall(event);
        break;
      case 'usage':
        this.teller.flush();
        this.teller.tell('runner.usage', {
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
  room(): Promise<void> {
    return this.teller.room();
  }

  /** @param failure why, where it is the agent's own doing that there is no good end. */
  finish(outcome: RunnerResult['outcome'], exit: AgentExit, end?: AgentEnd, failure?: AgentFailure): void {
    this.teller.flush();
    const { runId, task, agent } = this.spec;
    const verdict = contractEnding(outcome);
    const { status, completion_reason } = verdict;
    const result: StepExecutionResult = {
      exit_code: exit.exitCode,
      duration_ms: Math.max(0, this.clock.now() - this.startedMs),
      terminal_id: null,
      output_from: 0,
      output_to: this.teller.textBytes,
      outcome,
    };
    const mode = 'controller_execute';
    this.teller.tell('runner.step.execution.completed', { step, mode, did_click: false, result });
    this.teller.tell('runner.step.completed', {
      step,
      action: task,
      ...(outcome === 'succeeded'
        ? ({ status: 'success', completion_reason: 'DONE' } as const)
        : ({ status: 'failed', completion_reason: 'FAIL' } as const)),
    });
    this.teller.tell('runner.completed', { status, completion_reason, steps: 1 });
    const text = end?.text ?? this.tail;
    this.teller.tell('response', {
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
    if (failure === undefined) this.teller.tell('response.completed', verdict);
    else this.fail({ reason: failure.reason, message: failure.message });
  }

  /** There is no result: the program could not be started, or this worker failed. */
  fail({ reason, message }: { readonly reason: string; readonly message: string }): void {
    this.teller.flush();
    const data = { error: message, reason };
    this.teller.tell('response.failed', data);
    this.teller.tell('error', data);
  }

  dispose(): void {
    this.teller.dispose();
  }

  private startCall(call: Extract<AgentEvent, { kind: 'tool.started' }>): void {
    const { callId, tool, server = this.spec.agent } = call;
    // Told twice by some, with the input complete the second time only; the first word counts.
    if (this.calls.has(callId)) return;
    this.teller.flush();
    const input = clipped(call.input);
    const bytes = sizeOf(input);
    if (!this.teller.keep(bytes)) return;
    this.calls.set(callId, { server, tool });
    this.teller.tell('mcp.call.started', { step, server, tool, call_id: callId, arguments: input }, bytes);
  }

  private endCall({ callId, hasFailed, response }: Extract<AgentEvent, { kind: 'tool.ended' }>): void {
    const call = this.calls.get(callId);
    if (call === undefined) return;
    this.calls.delete(callId);
    this.teller.flush();
    const facts = { step, ...call, call_id: callId };
    const answer = clipped(response);
    const bytes = sizeOf(answer);
    this.teller.keep(bytes);
    if (!hasFailed) {
      this.teller.tell('mcp.call.completed', { ...facts, response: answer }, bytes);
    } else {
      const error = typeof answer === 'string' ? answer : JSON.stringify(answer);
      this.teller.tell('mcp.call.failed', { ...facts, error }, bytes);
    }
  }
}
