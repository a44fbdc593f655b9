import { clipped, cut, pieceBytes } from '../../base/clip.ts';
import type { ToolRefusal } from '../tools/tool.ts';
import { foreignOutcome } from './backendResult.ts';
import { maxModelSteps } from './modelRunSpec.ts';
import type { Run } from './run.ts';
import type { RunEvent, RunEventData } from './runEvents.ts';
import * as payload from './runPayloads.ts';
import type { Data } from './runPayloads.ts';
import { contractEnding } from './runResult.ts';

/** The events of ours; none where the payload makes no sense; `unlike` where it is worth being seen as it came. */
export type ForeignReader = (data: Data, run: Run) => readonly RunEvent[] | 'unlike';

const listLimit = 1_000;
const nameBytes = 200;
const refusals: Readonly<Record<ToolRefusal, true>> = {
  filtered: true,
  unauthorized: true,
  unconfigured: true,
  tool_filter: true,
  unknown_tool: true,
  unreachable: true,
};

/** The events of the contract that we emit too, by name: how the payload of a foreign server is read. */
export const foreignReaders: Readonly<Record<string, ForeignReader>> = {
  'runner.started': (data, run) => [
    {
      type: 'runner.started',
      data: {
        task: run.request.task,
        max_steps: payload.countOf(data, 'max_steps') ?? 0,
        platform: maybeName(data, 'platform'),
      },
    },
  ],
  'runner.steps.planned': (data) => {
    const commands = payload.commandsOf(data);
    if (commands === undefined || commands.length > listLimit) return 'unlike';
    const most = Math.floor((4 * pieceBytes) / commands.length);
    return [{ type: 'runner.steps.planned', data: { commands: commands.map((text) => cut(text, most)) } }];
  },
  'runner.tools.configured': (data) => {
    // A server of the contract only repeats what was asked for.
    const effective = toolsOf(data['effective']);
    if (effective === undefined) return 'unlike';
    const mode = data['mode'] === 'custom' ? 'custom' : 'auto';
    const [providers, tools] = [namesOf(data['providers']), namesOf(data['tools'])];
    const unavailable = missingOf(data['unavailable']);
    return [{ type: 'runner.tools.configured', data: { mode, providers, tools, effective, unavailable } }];
  },
  'mcp.actions.registration.completed': (data) => {
    const actions = namesOf(data['actions']);
    if (actions === null) return 'unlike';
    return [{ type: 'mcp.actions.registration.completed', data: { server: name(data, 'server'), actions } }];
  },
  'mcp.actions.registration.skipped': (data) => {
    const reason = refusalOf(data);
    if (reason === undefined) return 'unlike';
    return [{ type: 'mcp.actions.registration.skipped', data: { server: name(data, 'server'), reason } }];
  },
  'runner.hints.ignored': (data) => {
    const fields = namesOf(data['fields']);
    if (fields === null) return 'unlike';
    return [{ type: 'runner.hints.ignored', data: { engine: name(data, 'engine'), fields } }];
  },
  'runner.step.started': (data, run) =>
    withStep(run, data, (step) => [{ type: 'runner.step.started', data: { step } }]),
  'worker.step.started': (data, run) =>
    withStep(run, data, (step) => [{ type: 'worker.step.started', data: { step } }]),
  'worker.step.ready': (data, run) =>
    withStep(run, data, (step) => [
      {
        type: 'worker.step.ready',
        data: {
          step,
          plan: text(data, 'plan'),
          plan_code: text(data, 'plan_code'),
          exec_code: text(data, 'exec_code'),
          reflection: maybeText(data, 'reflection'),
          reflection_thoughts: maybeText(data, 'reflection_thoughts'),
        },
      },
    ]),
  'worker.reflection.skipped': (data, run) => {
    const { reason } = data;
    if (reason !== 'disabled' && reason !== 'initial_step') return [];
    return [{ type: 'worker.reflection.skipped', data: { step: stepOf(run, data), reason } }];
  },
  'worker.reflection.started': (data, run) => [
    { type: 'worker.reflection.started', data: { step: stepOf(run, data) } },
  ],
  // Two emitters of the contract's source have this name; the other's payload is text, not reflection.
  'worker.reflection.completed': (data, run) => {
    const reflection = text(data, 'reflection') || text(data, 'text');
    const thoughts = maybeText(data, 'thoughts');
    if (reflection === '' && thoughts === null) return [];
    return [{ type: 'worker.reflection.completed', data: { step: stepOf(run, data), reflection, thoughts } }];
  },
  'worker.generator.started': (data, run) => [
    {
      type: 'worker.generator.started',
      data: {
        step: stepOf(run, data),
        attempt: payload.countOf(data, 'attempt') ?? 1,
        model: name(data, 'model'),
      },
    },
  ],
  'worker.generator.completed': (data, run) => [
    {
      type: 'worker.generator.completed',
      data: {
        step: stepOf(run, data),
        attempts: payload.countOf(data, 'attempts') ?? 1,
        model: name(data, 'model'),
        text: text(data, 'text'),
      },
    },
  ],
  'worker.generator.failed': (data, run) => {
    const step = stepOf(run, data);
    const stands = run.steps[step - 1]?.textBytes ?? 0;
    return [
      {
        type: 'worker.generator.failed',
        data: {
          step,
          attempt: payload.countOf(data, 'attempt') ?? payload.countOf(data, 'attempts') ?? 1,
          error: text(data, 'error'),
          retry_in_ms: payload.amountOf(data, 'retry_in_ms') ?? null,
          text_to: Math.min(stands, payload.countOf(data, 'text_to') ?? stands),
        },
      },
    ];
  },
  'worker.generator.stream.completed': (data, run) => [
    {
      type: 'worker.generator.stream.completed',
      data: { source: 'worker.generator', step: stepOf(run, data) },
    },
  ],
  'worker.generator.stream.error': (data, run) => [
    {
      type: 'worker.generator.stream.error',
      data: { source: 'worker.generator', step: stepOf(run, data), error: text(data, 'error') },
    },
  ],
  'code_agent.session.started': (data) => [
    {
      type: 'code_agent.session.started',
      data: {
        task: text(data, 'task'),
        budget: payload.countOf(data, 'budget') ?? 0,
        place: data['place'] === 'terminal' ? 'terminal' : 'container',
      },
    },
  ],
  'code_agent.step.started': (data, run) => [
    {
      type: 'code_agent.step.started',
      data: { step: stepOf(run, data), budget_remaining: payload.countOf(data, 'budget_remaining') ?? 0 },
    },
  ],
  'code_agent.step.response': (data, run) => [
    {
      type: 'code_agent.step.response',
      data: { step: stepOf(run, data), action: text(data, 'action'), thoughts: text(data, 'thoughts') },
    },
  ],
  'code_agent.step.execution': (data, run) => {
    const code = data['return_code'];
    return [
      {
        type: 'code_agent.step.execution',
        data: {
          step: stepOf(run, data),
          code_type: name(data, 'code_type'),
          code: text(data, 'code'),
          // Later servers say `success` too.
          status: data['status'] === 'ok' || data['status'] === 'success' ? 'ok' : 'error',
          output: text(data, 'output'),
          error: text(data, 'error'),
          message: text(data, 'message'),
          return_code: Number.isSafeInteger(code) ? Number(code) : null,
        },
      },
    ];
  },
  'code_agent.step.completed': (data, run) => [
    {
      type: 'code_agent.step.completed',
      data: {
        step: stepOf(run, data),
        status: data['status'] === 'error' ? 'error' : 'ok',
        thoughts: text(data, 'thoughts'),
      },
    },
  ],
  'code_agent.session.completed': (data) => {
    const { completion_reason: reason } = data;
    return [
      {
        type: 'code_agent.session.completed',
        data: {
          completion_reason: reason === 'DONE' || reason === 'BUDGET_EXHAUSTED' ? reason : 'FAIL',
          steps_executed: payload.countOf(data, 'steps_executed') ?? 0,
          budget: payload.countOf(data, 'budget') ?? 0,
          summary: text(data, 'summary'),
        },
      },
    ];
  },
  'runner.step.agent_response': (data, run) =>
    withStep(run, data, (step) => {
      const info = clipped(data['info']);
      return [
        {
          type: 'runner.step.agent_response',
          data: {
            step,
            action: cut(text(data, 'action'), 4_096),
            exec_code: text(data, 'exec_code'),
            normalized_action: cut(text(data, 'normalized_action'), 4_096),
            info: payload.isRecord(info) ? info : {},
          },
        },
      ];
    }),
  'runner.step.execution.started': (data, run) =>
    data['mode'] !== 'controller_execute'
      ? []
      : withStep(run, data, (step) => [
          {
            type: 'runner.step.execution.started',
            data: { step, mode: 'controller_execute', exec_code: text(data, 'exec_code') },
          },
        ]),
  'runner.step.progress': (data, run) =>
    withStep(run, data, (step) => {
      const progress = payload.shareOf(data, 'progress');
      if (progress === undefined) return [];
      return [
        { type: 'runner.step.progress', data: { step, progress, message: maybeText(data, 'message') } },
      ];
    }),
  'runner.step.execution.completed': (data, run) =>
    withStep(run, data, (step) => {
      const result = payload.executionResultOf(data['result']);
      // What a controller of the contract answers has no shape; without a result there is nothing to see.
      if (result === undefined) return payload.isRecord(data['result']) ? 'unlike' : [];
      return [
        {
          type: 'runner.step.execution.completed',
          data: {
            step,
            mode: 'controller_execute',
            did_click: false,
            result: {
              exit_code: result.exitCode,
              duration_ms: result.durationMs ?? 0,
              // Its terminal is not ours: what it printed is text of the step.
              terminal_id: null,
              output_from: null,
              output_to: null,
              outcome: result.outcome,
            },
          },
        },
      ];
    }),
  'runner.step.completed': (data, run) =>
    withStep(run, data, (step) => {
      const { status, completion_reason: reason } = data;
      return [
        {
          type: 'runner.step.completed',
          data: {
            step,
            // `in_progress` is the run: the step itself is through.
            status: status === 'failed' ? 'failed' : 'success',
            action: cut(text(data, 'action'), 4_096),
            completion_reason: reason === 'DONE' || reason === 'FAIL' ? reason : null,
          },
        },
      ];
    }),
  'mcp.call.started': (data, run) => [
    { type: 'mcp.call.started', data: { ...callOf(data, run), arguments: clipped(data['arguments']) } },
  ],
  'mcp.call.completed': (data, run) => [
    { type: 'mcp.call.completed', data: { ...callOf(data, run), response: clipped(data['response']) } },
  ],
  'mcp.call.failed': (data, run) => [
    { type: 'mcp.call.failed', data: { ...callOf(data, run), error: text(data, 'error') } },
  ],
  'mcp.call.skipped': (data, run) => {
    const reason = refusalOf(data);
    if (reason === undefined) return 'unlike';
    return [{ type: 'mcp.call.skipped', data: { ...callOf(data, run), reason } }];
  },
  'runner.usage': (data) => [
    {
      type: 'runner.usage',
      data: {
        input_tokens: payload.countOf(data, 'input_tokens') ?? 0,
        output_tokens: payload.countOf(data, 'output_tokens') ?? 0,
        cost_usd: payload.amountOf(data, 'cost_usd') ?? null,
      },
    },
  ],
  'runner.abort.requested': (data, run) =>
    run.isAborting ? [] : [{ type: 'runner.abort.requested', data: { reason: name(data, 'reason') } }],
  'runner.completed': (data) => {
    const outcome = foreignOutcome(data);
    if (outcome === undefined) return 'unlike';
    const { status, completion_reason } = contractEnding(outcome);
    const steps = payload.countOf(data, 'steps') ?? 0;
    return [{ type: 'runner.completed', data: { status, completion_reason, steps } }];
  },
};

/** The step that an event belongs to: the contract says it of some only; then it is the one under way. */
export function stepOf(run: Run, data: Data): number {
  const { step } = data;
  if (typeof step === 'number' && Number.isSafeInteger(step) && step >= 1) return step;
  return run.steps.findLast(({ status }) => status !== 'pending')?.index ?? 1;
}

function withStep<T>(run: Run, data: Data, read: (step: number) => T): T | readonly [] {
  const step = stepOf(run, data);
  return step > maxModelSteps ? [] : read(step);
}

/** Empty where it is missing or no text. */
function text(data: Data, key: string): string {
  return cut(payload.textOf(data, key) ?? '', pieceBytes);
}

function maybeText(data: Data, key: string): string | null {
  return payload.textOf(data, key) === undefined ? null : text(data, key);
}

function name(data: Data, key: string): string {
  return cut(payload.textOf(data, key) ?? '', nameBytes);
}

function maybeName(data: Data, key: string): string | null {
  return payload.textOf(data, key) === undefined ? null : name(data, key);
}

function namesOf(value: unknown): readonly string[] | null {
  if (!Array.isArray(value)) return null;
  return value
    .filter((item) => typeof item === 'string')
    .slice(0, listLimit)
    .map((item) => cut(item, nameBytes));
}

function toolsOf(value: unknown): RunEventData['runner.tools.configured']['effective'] | undefined {
  if (!Array.isArray(value)) return undefined;
  const tools = value.filter(payload.isRecord).slice(0, listLimit);
  return tools.map((tool) => ({ name: name(tool, 'name'), provider: name(tool, 'provider') }));
}

function missingOf(value: unknown): RunEventData['runner.tools.configured']['unavailable'] {
  if (!Array.isArray(value)) return [];
  return value
    .filter(payload.isRecord)
    .slice(0, listLimit)
    .map((item) => ({
      provider: name(item, 'provider'),
      tool: maybeName(item, 'tool'),
      reason: refusalOf(item) ?? 'unreachable',
    }));
}

function refusalOf({ reason }: Data): ToolRefusal | undefined {
  return typeof reason === 'string' && Object.hasOwn(refusals, reason) ? (reason as ToolRefusal) : undefined;
}

/** Servers of the contract give calls no ids: those of one tool are told apart by their order. */
function callOf(
  data: Data,
  run: Run,
): { readonly step: number; readonly server: string; readonly tool: string; readonly call_id: string } {
  const [server, tool] = [name(data, 'server'), name(data, 'tool')];
  return { step: stepOf(run, data), server, tool, call_id: name(data, 'call_id') || `${server} ${tool}` };
}
