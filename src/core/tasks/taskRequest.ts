import { invalidRequest, checkInteger } from '../text.ts';
import type { AgentTask, CreateTaskRequest, TaskConfig } from './task.ts';

const configLimit = 256 * 1024;
const nameLimit = 120;
const retriesLimit = 100;
export const inputLimit = 4 * 1024 * 1024;
/** The longest that a timer can wait: 24.8 days. */
const timeLimitMs = 2 ** 31 - 1;

/** A task as it is asked for, checked and filled in. Error: `invalid_request`. */
export function checkTaskRequest(
  request: CreateTaskRequest,
): Pick<AgentTask, 'name' | 'type' | 'priority' | 'config' | 'target' | 'runId'> {
  const { command } = request.config;
  const config: TaskConfig = {
    arguments: [],
    environment: {},
    workingDirectory: '',
    timeoutMs: 0,
    maxRetries: 0,
    retryOnFailure: false,
    retryDelayMs: 1_000,
    parameters: {},
    ...request.config,
  };
  checkInteger(config.maxRetries, 0, retriesLimit, 'The number of retries');
  checkTime(config.timeoutMs, 'The time limit');
  checkTime(config.retryDelayMs, 'The delay before a retry');
  const size = JSON.stringify(config).length;
  if (size > configLimit) {
    throw invalidRequest(
      `The task is too big: ${size} characters, and at most ${configLimit} are taken. Give it as input.`,
    );
  }
  if ((request.input?.length ?? 0) > inputLimit) {
    throw invalidRequest(`The input of the task is too big: at most ${inputLimit} bytes are taken at once.`);
  }
  if ('capability' in request.target && request.target.capability.trim() === '') {
    throw invalidRequest('Name the agent or the capability that the task needs.');
  }
  const name = (request.name ?? command).replace(/\s+/g, ' ').trim();
  return {
    name: name === '' ? 'task' : name.slice(0, nameLimit),
    type: request.type ?? 'unspecified',
    priority: request.priority ?? 'normal',
    config,
    target: request.target,
    runId: request.runId,
  };
}

function checkTime(value: number, what: string): void {
  if (value >= 0 && value <= timeLimitMs) return;
  throw invalidRequest(`${what} must be from 0 to ${timeLimitMs} milliseconds, not ${value}.`);
}
