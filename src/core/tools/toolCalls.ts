import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import { waitForSignal } from '../waitFor.ts';
import { asTool, checkDefinition, runOf, type ToolDefinition } from './registeredTool.ts';
import { invalidRequest } from '../text.ts';
import { checkArguments } from './argumentCheck.ts';
import { type ToolCarrier, typed } from './toolCarrier.ts';
import type { Tool } from './tool.ts';

export type ToolCallStatus = 'running' | 'completed' | 'failed' | 'timeout' | 'cancelled';

/** A call of a tool over a door that asks for its result later. Kept in memory, the newest 1,000. */
export interface ToolCallRecord {
  readonly id: string;
  readonly toolName: string;
  readonly sessionId: string | undefined;
  readonly status: ToolCallStatus;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly endedAt: number | undefined;
  readonly expiresAt: number;
  readonly parameters: Readonly<Record<string, string>>;
  readonly correlationId: string;
  /** What it answered; with a run, what that printed: at most 256 KiB. */
  readonly text: string;
  readonly error: string;
  readonly exitCode: number | undefined;
  /** The run that it was, where it was one. */
  readonly runId: string | undefined;
}

export interface ToolCallRequest {
  readonly toolName: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly sessionId: string | undefined;
  /** In milliseconds; undefined for the tool's own, or 60 s. */
  readonly timeoutMs: number | undefined;
  readonly correlationId: string;
}

export interface ToolUse {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly timeout: number;
  readonly cancelled: number;
  readonly durationMs: number;
  readonly lastAt: number | undefined;
}

/** A tool as the ToolService shows it. */
export interface ToolEntry {
  readonly tool: Tool;
  readonly definition: ToolDefinition | undefined;
  readonly isEnabled: boolean;
  readonly registeredAt: number;
  readonly updatedAt: number;
  readonly use: ToolUse;
  readonly running: number;
}

const maxRecords = 1_000;
const maxRunning = 64;
const maxRegistered = 1_000;
const defaultTimeoutMs = 60_000;
const maxTimeoutMs = 60 * 60_000;
const noUse: ToolUse = {
  total: 0,
  completed: 0,
  failed: 0,
  timeout: 0,
  cancelled: 0,
  durationMs: 0,
  lastAt: undefined,
};

interface Registered {
  readonly definition: ToolDefinition;
  readonly registeredAt: number;
  readonly updatedAt: number;
}

interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** Calls of tools by name, with those that were registered; they and the counts last as long as the core. */
export class ToolCalls implements Disposable {
  readonly startedAt: number;
  private readonly carrier: ToolCarrier;
  private readonly clock: Clock;
  private readonly ids: IdSource;
  private readonly registered = new Map<string, Registered>();
  private readonly disabled = new Set<string>();
  private readonly uses = new Map<string, ToolUse>();
  private readonly records = new Map<string, ToolCallRecord>();
  private readonly running = new Map<string, Running>();

  constructor(carrier: ToolCarrier, clock: Clock, ids: IdSource) {
    this.carrier = carrier;
    this.clock = clock;
    this.ids = ids;
    this.startedAt = clock.now();
  }

  /** Error: `invalid_request`; ALREADY_EXISTS for a name that there is, unless forced. */
  async register(definition: ToolDefinition, isForced: boolean): Promise<ToolEntry> {
    checkDefinition(definition);
    const { name } = definition;
    const isTaken = this.registered.has(name) || (await this.listedTool(name)) !== undefined;
    if (isTaken && !(isForced && this.registered.has(name)))
      throw new OrchestratorError('ALREADY_EXISTS', 'invalid_request', 'tool already registered');
    if (this.registered.size >= maxRegistered)
      throw new OrchestratorError('RESOURCE_EXHAUSTED', 'invalid_request', 'There are too many tools.');
    const now = this.clock.now();
    this.registered.set(name, { definition, registeredAt: now, updatedAt: now });
    return this.entry(name);
  }

  /** Error: `tool_not_found`; `invalid_request` for a tool that nobody has registered. */
  async update(name: string, definition: ToolDefinition): Promise<ToolEntry> {
    const known = await this.ownTool(name);
    if (definition.name !== '' && definition.name !== name)
      throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'A tool keeps its name.');
    const next = { ...definition, name };
    checkDefinition(next);
    this.registered.set(name, { ...known, definition: next, updatedAt: this.clock.now() });
    return this.entry(name);
  }

  /** Calls that run go on, unless `isForced`. Errors: as of `update`; FAILED_PRECONDITION while calls run. */
  async unregister(name: string, isForced: boolean): Promise<void> {
    await this.ownTool(name);
    if (this.runningOf(name).length > 0 && !isForced)
      throw new OrchestratorError('FAILED_PRECONDITION', 'tool_failed', 'The tool is being called.');
    await this.cancelAll(name);
    this.registered.delete(name);
    this.disabled.delete(name);
  }

  /** Error: `tool_not_found`. @returns how many calls were cancelled. */
  async setEnabled(name: string, isEnabled: boolean, cancels = false): Promise<number> {
    await this.entry(name);
    if (isEnabled) this.disabled.delete(name);
    else this.disabled.add(name);
    return cancels ? this.cancelAll(name) : 0;
  }

  /** Every tool, in the order of names. */
  async list(): Promise<ToolEntry[]> {
    const listed = await this.carrier.registry.tools();
    const own = [...this.registered.values()].map(({ definition }) => asTool(definition));
    const tools = new Map([...listed, ...own].map((tool) => [tool.name, tool]));
    return [...tools.values()]
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((tool) => this.entryOf(tool));
  }

  /** Error: `tool_not_found`. */
  async entry(name: string): Promise<ToolEntry> {
    const own = this.registered.get(name);
    const tool = own === undefined ? await this.listedTool(name) : asTool(own.definition);
    if (tool !== undefined) return this.entryOf(tool);
    throw new OrchestratorError('NOT_FOUND', 'tool_not_found', 'tool not found');
  }

  /** Begins a call. Errors: `tool_not_found`; FAILED_PRECONDITION "tool is disabled"; RESOURCE_EXHAUSTED. */
  async start(request: ToolCallRequest): Promise<ToolCallRecord> {
    const { clock, ids } = this;
    const { tool, definition, isEnabled } = await this.entry(request.toolName);
    if (!isEnabled) throw new OrchestratorError('FAILED_PRECONDITION', 'tool_failed', 'tool is disabled');
    if (this.running.size >= maxRunning)
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'tool_failed',
        `${maxRunning} tools are being called.`,
      );
    const run = definition === undefined ? undefined : runOf(definition, request.parameters);
    const wrong = checkArguments(tool.inputSchema, typed(tool.inputSchema, request.parameters));
    if (wrong !== undefined) throw invalidRequest(`The parameters do not fit: ${wrong}`);
    const own = definition?.timeoutMs === 0 ? undefined : definition?.timeoutMs;
    const timeoutMs = Math.min(request.timeoutMs ?? own ?? defaultTimeoutMs, maxTimeoutMs);
    const now = clock.now();
    const record: ToolCallRecord = {
      ...request,
      id: ids.hexId(),
      status: 'running',
      createdAt: now,
      endedAt: undefined,
      expiresAt: now + timeoutMs,
      text: '',
      error: '',
      exitCode: undefined,
      runId: undefined,
    };
    this.keep(record);
    const controller = new AbortController();
    const ended = this.carryOut(record, tool, run, timeoutMs, controller);
    this.running.set(record.id, { controller, ended });
    return record;
  }

  /** Error: NOT_FOUND "execution not found". */
  get(id: string): ToolCallRecord {
    const record = this.records.get(id);
    if (record !== undefined) return record;
    throw new OrchestratorError('NOT_FOUND', 'tool_not_found', 'execution not found');
  }

  /** Oldest first. */
  all(): readonly ToolCallRecord[] {
    return [...this.records.values()];
  }

  get runningCount(): number {
    return this.running.size;
  }

  /** The call once it has ended. Errors: as of `get`; `aborted`. */
  async waitForEnd(id: string, signal: AbortSignal): Promise<ToolCallRecord> {
    this.get(id);
    await waitForSignal(this.running.get(id)?.ended, signal);
    return this.get(id);
  }

  /** @returns whether it ran. Error: as of `get`. */
  async cancel(id: string): Promise<boolean> {
    this.get(id);
    const running = this.running.get(id);
    running?.controller.abort();
    await running?.ended;
    return running !== undefined;
  }

  dispose(): void {
    for (const { controller } of this.running.values()) controller.abort();
  }

  private async carryOut(
    record: ToolCallRecord,
    tool: Tool,
    run: ReturnType<typeof runOf> | undefined,
    timeoutMs: number,
    controller: AbortController,
  ): Promise<void> {
    const { carrier, clock } = this;
    const { sessionId } = record;
    const limit = { isOver: false };
    const timer = clock.setTimer(timeoutMs, () => {
      limit.isOver = true;
      controller.abort();
    });
    // The caller is told of the call before it can end.
    await Promise.resolve();
    let change: Partial<ToolCallRecord>;
    try {
      const answer = await (run === undefined
        ? carrier.call(tool, record.parameters, sessionId, controller.signal)
        : carrier.run(run, sessionId, controller.signal, (runId) =>
            this.keep({ ...this.get(record.id), runId }),
          ));
      change = { ...answer, status: answer.error === '' ? 'completed' : 'failed' };
    } catch (error) {
      change = { status: 'failed', error: OrchestratorError.from(error).message };
    } finally {
      timer.dispose();
    }
    if (limit.isOver) change = { ...change, status: 'timeout', error: `It took more than ${timeoutMs} ms.` };
    else if (controller.signal.aborted)
      change = { ...change, status: 'cancelled', error: 'It was cancelled.' };
    this.running.delete(record.id);
    const ended = { ...this.get(record.id), ...change, endedAt: clock.now() };
    this.keep(ended);
    this.count(ended);
  }

  private keep(record: ToolCallRecord): void {
    this.records.set(record.id, record);
    if (this.records.size <= maxRecords) return;
    const oldest = [...this.records.keys()].find((id) => !this.running.has(id) && id !== record.id);
    if (oldest !== undefined) this.records.delete(oldest);
  }

  private count({ toolName, status, createdAt, endedAt = createdAt }: ToolCallRecord): void {
    if (status === 'running') return;
    const use = this.uses.get(toolName) ?? noUse;
    this.uses.set(toolName, {
      ...use,
      total: use.total + 1,
      [status]: use[status] + 1,
      durationMs: use.durationMs + (endedAt - createdAt),
      lastAt: endedAt,
    });
  }

  private runningOf(name: string): string[] {
    return [...this.running.keys()].filter((id) => this.records.get(id)?.toolName === name);
  }

  private async cancelAll(name: string): Promise<number> {
    const ids = this.runningOf(name);
    await Promise.all(ids.map((id) => this.cancel(id)));
    return ids.length;
  }

  private async listedTool(name: string): Promise<Tool | undefined> {
    return (await this.carrier.registry.tools()).find((tool) => tool.name === name);
  }

  private async ownTool(name: string): Promise<Registered> {
    const known = this.registered.get(name);
    if (known !== undefined) return known;
    const { tool } = await this.entry(name);
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'invalid_request',
      `${name} is a tool of ${tool.provider}, and not one that was registered.`,
    );
  }

  private entryOf(tool: Tool): ToolEntry {
    const own = this.registered.get(tool.name);
    return {
      tool,
      definition: own?.definition,
      isEnabled: !this.disabled.has(tool.name),
      registeredAt: own?.registeredAt ?? this.startedAt,
      updatedAt: own?.updatedAt ?? this.startedAt,
      use: this.uses.get(tool.name) ?? noUse,
      running: this.runningOf(tool.name).length,
    };
  }
}
