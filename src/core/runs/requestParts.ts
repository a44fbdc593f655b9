import type { ToolConstraints } from '../tools/tool.ts';
import { checkInteger, invalidRequest } from '../text.ts';
import type { ModelRequest } from './run.ts';

/** Of metadata and of hints, each. */
const jsonLimitBytes = 64 * 1024;
const nameLimit = 200;
const listLimit = 1_000;
const stepLimit = 1_000;
const tokenLimit = 1_000_000_000;
const costLimitUsd = 1_000_000;
const efforts = ['low', 'medium', 'high'] as const;

/** Error: `invalid_request` for what is no object of plain JSON, or more than 64 KiB of it. */
export function checkPlainJson(value: object, what: string): void {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    throw invalidRequest(`${what} must be plain JSON.`);
  }
  if (!text.startsWith('{')) throw invalidRequest(`${what} must be a JSON object.`);
  if (new TextEncoder().encode(text).length > jsonLimitBytes) {
    throw invalidRequest(`${what} is too big: at most 64 KiB of JSON.`);
  }
}

/** Error: `invalid_request`. Names that nobody has are no error: they match nothing. */
export function checkToolConstraints({ mode, providers, tools }: ToolConstraints): void {
  // For doors that code without our types comes through, as everything here.
  if (!['auto', 'custom'].includes(mode))
    throw invalidRequest("tool_constraints.mode must be 'auto' or 'custom'");
  for (const [names, what] of [
    [providers, 'providers'],
    [tools, 'tools'],
  ] as const) {
    if (names === null) continue;
    if (names.length === 0 || names.length > listLimit) {
      throw invalidRequest(`The ${what} of the tool constraints must be 1 to ${listLimit} names, or null.`);
    }
    for (const name of names) checkName(name, `A name among the ${what} of the tool constraints`);
  }
}

/** Error: `invalid_request`. */
export function checkModelRequest(request: ModelRequest): void {
  const { provider, model, reasoningEffort, maxCostUsd } = request;
  if (provider !== undefined) checkName(provider, 'The provider of the model');
  if (model !== undefined) checkName(model, 'The name of the model');
  if (reasoningEffort !== undefined && !efforts.includes(reasoningEffort)) {
    throw invalidRequest(`The reasoning effort must be one of ${efforts.join(', ')}.`);
  }
  for (const [value, limit, what] of [
    [request.maxSteps, stepLimit, 'The number of steps'],
    [request.maxOutputTokens, tokenLimit, 'The number of tokens of an answer'],
    [request.maxTokens, tokenLimit, 'The number of tokens of the run'],
  ] as const) {
    if (value !== undefined) checkInteger(value, 1, limit, what);
  }
  if (maxCostUsd !== undefined && !(maxCostUsd > 0 && maxCostUsd <= costLimitUsd)) {
    throw invalidRequest(
      `The most that the run may cost must be more than 0 and at most ${costLimitUsd} US dollars.`,
    );
  }
}

function checkName(name: string, what: string): void {
  if (name.trim() !== '' && name.length <= nameLimit && !/\p{Cc}/u.test(name)) return;
  throw invalidRequest(`${what} must have 1 to ${nameLimit} characters, and no control characters.`);
}
