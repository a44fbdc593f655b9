import type { RunRequest } from '../../../core/runs/run.ts';

/** Where the daemon listens unless it is told otherwise. */
const usualAddress = 'http://127.0.0.1:8787';

/**
 * The request that would start this run at `/orchestrate/stream`, as a line for a shell. The token is named, never
 * written: whoever runs the line has it in `ORCHESTRATOR_TOKEN`.
 */
export function curlCommand(request: RunRequest, address: string | undefined): string {
  return [
    `curl -N -X POST ${quoted(`${address ?? usualAddress}/orchestrate/stream`)}`,
    `-H 'Content-Type: application/json'`,
    `-H 'Accept: text/event-stream'`,
    `-H "Authorization: Bearer $ORCHESTRATOR_TOKEN"`,
    `-d ${quoted(JSON.stringify(payloadOf(request)))}`,
  ].join(' \\\n  ');
}

/** As contract 004 has it: only what says something. */
export function payloadOf({ task, engine, model = {}, tools, hints, timeoutMs }: RunRequest): object {
  const engineParams = defined({
    engine_type: engine,
    provider: model.provider,
    model: model.model,
    reasoning_effort: model.reasoningEffort,
    max_output_tokens: model.maxOutputTokens,
    max_tokens: model.maxTokens,
    max_cost_usd: model.maxCostUsd,
  });
  const worker = defined({
    ...hints?.worker,
    engine_params: Object.keys(engineParams).length === 0 ? undefined : engineParams,
    max_steps: model.maxSteps,
    enable_reflection: model.reflects,
    timeout: timeoutMs === undefined ? undefined : timeoutMs / 1_000,
  });
  return defined({
    task,
    worker: Object.keys(worker).length === 0 ? undefined : worker,
    grounding: hints?.grounding,
    controller: hints?.controller,
    platform: hints?.platform,
    enable_code_execution: model.codeExecution,
    tool_constraints:
      tools === undefined
        ? undefined
        : defined({
            mode: tools.mode,
            providers: tools.providers ?? undefined,
            tools: tools.tools ?? undefined,
          }),
  });
}

function defined(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

/** As one word of a POSIX shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
