import type { CodingAgentSpec } from '../../core/runs/codingAgents.ts';

/** What a coding agent tells of itself, whichever it is. */
export type AgentEvent =
  | { readonly kind: 'conversation'; readonly id: string; readonly model: string | null }
  | { readonly kind: 'text' | 'thinking'; readonly text: string }
  | {
      readonly kind: 'tool.started';
      readonly callId: string;
      /** The MCP server that has the tool; missing for the agent's own. */
      readonly server?: string | undefined;
      readonly tool: string;
      readonly input: unknown;
    }
  | {
      readonly kind: 'tool.ended';
      readonly callId: string;
      readonly hasFailed: boolean;
      readonly response: unknown;
    }
  /** Since the last one. */
  | ({ readonly kind: 'usage' } & AgentUsage)
  | AgentEnd;

export interface AgentUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars; null where the agent does not say. */
  readonly costUsd: number | null;
}

/** It is done: what comes after it is of no more interest. */
export interface AgentEnd {
  readonly kind: 'end';
  readonly failure?: AgentFailure | undefined;
  /** Its answer, where it tells it as a whole. */
  readonly text?: string | undefined;
  /** For the step's `info`. */
  readonly info?: Readonly<Record<string, unknown>> | undefined;
}

export type FailureReason = 'not_logged_in' | 'rate_limited' | 'refused' | 'no_result' | 'agent_failed';

export interface AgentFailure {
  readonly reason: FailureReason;
  readonly message: string;
}

/** How one coding agent is spoken to. */
export interface AgentAdapter {
  /** Without the task, which others on this machine could read there. */
  arguments(spec: CodingAgentSpec): readonly string[];
  /** Over the worker's own environment. */
  environment?(spec: CodingAgentSpec): Readonly<Record<string, string>>;
  newReader(spec: CodingAgentSpec): AgentReader;
  /** What it says where the conversation to go on with is not there any more. */
  readonly lostConversation: RegExp;
}

/** Reads one stream of messages, in their order. Never throws: what it does not know says nothing. */
export interface AgentReader {
  read(message: Json): readonly AgentEvent[];
  /** Of an agent whose stream has no end of its own: what its exit without a failure means. */
  exited?(): readonly AgentEvent[];
}

export type Json = Readonly<Record<string, unknown>>;

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recordOf(value: Json, key: string): Json {
  const found = value[key];
  return isJson(found) ? found : {};
}

export function recordsOf(value: Json, key: string): readonly Json[] {
  const found = value[key];
  return Array.isArray(found) ? found.filter(isJson) : [];
}

export function textOf(value: Json, key: string): string | undefined {
  const found = value[key];
  return typeof found === 'string' ? found : undefined;
}

/** 0 for what is no number from 0. */
export function numberOf(value: Json, key: string): number {
  const found = value[key];
  return typeof found === 'number' && Number.isFinite(found) && found > 0 ? found : 0;
}

/** Puts an empty line between pieces of text that begin anew. */
export class Paragraphs {
  private hasText = false;
  private isNew = false;

  begin(): void {
    this.isNew = this.hasText;
  }

  next(text: string): string {
    if (text === '') return text;
    const whole = this.isNew ? `\n\n${text}` : text;
    this.hasText = true;
    this.isNew = false;
    return whole;
  }
}
