import { clipped } from '../../../base/clip.ts';
import type { ToolOutcome, ToolSet } from '../../tools/toolSet.ts';
import type { ModelToolCall, ModelToolResult } from '../languageModel.ts';
import { abortable } from './abortable.ts';
import type { CodeAgent } from './codeAgent.ts';
import { codeToolName } from './codeTool.ts';
import { type CallRecord, type ModelReport, payloadOf } from './modelReport.ts';

/** Of one answer; a model that wants more of them together is told so. */
const maxCalls = 32;

export interface CallPorts {
  readonly tools: ToolSet;
  /** Undefined where no code may be run: then its tool is one that there is not. */
  readonly code: CodeAgent | undefined;
  readonly report: ModelReport;
  readonly signal: AbortSignal;
}

interface Carried {
  readonly record: CallRecord;
  readonly result: ModelToolResult;
  /** Tells of it, when its turn is. */
  tell(): void;
}

/**
 * Carries out the calls of one answer: tools all together, pieces of code one after another. They are told of in the
 * answer's order, however they end. Error: `aborted` by the signal; all else is an outcome.
 */
export async function carryOut(
  step: number,
  calls: readonly ModelToolCall[],
  plan: string,
  ports: CallPorts,
): Promise<{ readonly records: readonly CallRecord[]; readonly results: readonly ModelToolResult[] }> {
  let code: Promise<unknown> = Promise.resolve();
  const running = calls.map((call, index): Promise<Carried> => {
    if (index >= maxCalls) return Promise.resolve(failed(step, call, ports, tooMany));
    const parsed = argumentsOf(call);
    if (parsed === undefined) return Promise.resolve(failed(step, call, ports, noObject));
    const { code: agent } = ports;
    if (call.name === codeToolName && agent !== undefined) {
      const carried = code.then(() => runCode(call, parsed, plan, agent, ports.signal));
      code = carried.catch(() => undefined);
      return carried;
    }
    return callTool(step, call, parsed, ports);
  });
  for (const promise of running) promise.catch(() => undefined);
  const carried: Carried[] = [];
  for (const promise of running) {
    const next = await promise;
    next.tell();
    carried.push(next);
  }
  return { records: carried.map(({ record }) => record), results: carried.map(({ result }) => result) };
}

const tooMany = `More than ${maxCalls} calls in one answer: this one was not made. Make it in your next answer.`;
const noObject = 'The arguments are not a JSON object: the call was not made. Make it again with valid JSON.';

/** Undefined for what is no JSON object; nothing at all stands for an empty one. */
function argumentsOf({ arguments: written }: ModelToolCall): Readonly<Record<string, unknown>> | undefined {
  if (written.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function serverOf(name: string, tools: ToolSet): string {
  return tools.tools.find((tool) => tool.name === name)?.provider ?? 'unknown';
}

function tellStart(
  step: number,
  call: ModelToolCall,
  server: string,
  input: unknown,
  report: ModelReport,
): void {
  const { value, bytes } = payloadOf(input);
  const facts = { step, server, tool: call.name, call_id: call.id };
  report.call('mcp.call.started', { ...facts, arguments: value }, bytes);
}

async function callTool(
  step: number,
  call: ModelToolCall,
  input: Readonly<Record<string, unknown>>,
  { tools, report, signal }: CallPorts,
): Promise<Carried> {
  const known = serverOf(call.name, tools);
  // What is not there is skipped without having begun.
  if (known !== 'unknown') tellStart(step, call, known, input, report);
  const outcome = await abortable(tools.call({ name: call.name, arguments: input }, signal), signal);
  return carriedOf(step, call, outcome, known, report);
}

function carriedOf(
  step: number,
  call: ModelToolCall,
  outcome: ToolOutcome,
  known: string,
  report: ModelReport,
): Carried {
  const server = outcome.provider ?? known;
  const facts = { step, server, tool: call.name, call_id: call.id };
  const record: CallRecord = { call_id: call.id, server, tool: call.name, outcome: outcome.kind };
  const said = (text: string, hasFailed: boolean): ModelToolResult => ({
    callId: call.id,
    name: call.name,
    text,
    hasFailed,
  });
  switch (outcome.kind) {
    case 'completed':
      return {
        record,
        result: said(outcome.text, false),
        tell() {
          const { value: response, bytes } = payloadOf(outcome.value);
          report.call('mcp.call.completed', { ...facts, response }, bytes);
        },
      };
    case 'failed':
      return {
        record,
        result: said(outcome.error, true),
        tell() {
          const { value, bytes } = payloadOf(outcome.error);
          report.call('mcp.call.failed', { ...facts, error: String(value) }, bytes);
        },
      };
    case 'skipped':
      return {
        record,
        result: said(refusals[outcome.reason], true),
        tell() {
          report.call('mcp.call.skipped', { ...facts, reason: outcome.reason }, 0);
        },
      };
  }
}

const refusals: Readonly<Record<Extract<ToolOutcome, { kind: 'skipped' }>['reason'], string>> = {
  filtered: 'This tool is not among those that the task may use. It was not called.',
  tool_filter: 'This tool is not among those that the task may use. It was not called.',
  unauthorized: 'Nobody is signed in to the provider of this tool. It was not called.',
  unconfigured: 'The provider of this tool is not set up. It was not called.',
  unknown_tool: 'There is no tool of this name. Use the names that you were given, to the letter.',
  unreachable: 'The provider of this tool does not answer. It was not called.',
};

/** A call that is not made. */
function failed(step: number, call: ModelToolCall, { tools, report }: CallPorts, error: string): Carried {
  const server = serverOf(call.name, tools);
  tellStart(step, call, server, clipped(call.arguments), report);
  return carriedOf(step, call, { kind: 'failed', provider: server, error }, server, report);
}

async function runCode(
  call: ModelToolCall,
  input: Readonly<Record<string, unknown>>,
  plan: string,
  agent: CodeAgent,
  signal: AbortSignal,
): Promise<Carried> {
  const { text, hasFailed } = await agent.execute(input, plan, signal);
  return {
    record: {
      call_id: call.id,
      server: 'code',
      tool: call.name,
      outcome: hasFailed ? 'failed' : 'completed',
    },
    result: { callId: call.id, name: call.name, text, hasFailed },
    // It has told of itself while it ran.
    tell: () => undefined,
  };
}
