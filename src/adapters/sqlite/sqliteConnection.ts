import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import type { NewEvent, OrchestratorEvent } from '../../core/events/event.ts';
import type {
  EventFilter,
  MessageFilter,
  RunFilter,
  KeyedKind,
  Store,
  StoredKind,
  StoredKinds,
  StoreTotals,
  StoreTransaction,
} from '../../core/ports/store.ts';
import { isRunEnded, type Run } from '../../core/runs/run.ts';
import type { Message } from '../../core/sessions/message.ts';
import {
  type AgentTask,
  boundAgent,
  isTaskEnded,
  type TaskChunk,
  type TaskFilter,
} from '../../core/tasks/task.ts';
import { corruptStore, isCorruption, sqliteError } from './sqliteErrors.ts';
import { addToTotals, readRequestKey, readTotals, setRequestKey } from './sqliteRequests.ts';
import { numberOf, type Row, type Statements, storedKinds, textOf, whereClause } from './sqliteRows.ts';

const eventPageLimit = 10_000;
const taskPage = 1_000;

/** The store on an open database whose schema is up to date. Owns the database. */
export class SqliteConnection implements Store {
  private readonly database: DatabaseSync;
  private readonly path: string;
  private readonly ids: IdSource;
  private readonly onCorruption: () => void;
  /** Prepared once; their number is bounded by the filters there are. */
  private readonly prepared = new Map<string, StatementSync>();

  constructor(
    database: DatabaseSync,
    path: string,
    ids: IdSource,
    onCorruption: () => void = () => undefined,
  ) {
    this.database = database;
    this.path = path;
    this.ids = ids;
    this.onCorruption = onCorruption;
  }

  transact<T>(change: (tx: StoreTransaction) => T): T {
    return this.guard(() => {
      this.statement('BEGIN IMMEDIATE').run();
      try {
        const result = change(this.transaction);
        this.statement('COMMIT').run();
        return result;
      } catch (error) {
        // A full disk may have rolled it back already.
        if (this.database.isTransaction) this.statement('ROLLBACK').run();
        throw error;
      }
    });
  }

  get<K extends StoredKind>(kind: K, id: string): StoredKinds[K] | undefined {
    const row = this.first(`SELECT json FROM ${kind} WHERE id = ?`, id);
    return row === undefined ? undefined : this.parse<StoredKinds[K]>(row['json']);
  }

  list<K extends StoredKind>(kind: K): StoredKinds[K][] {
    return this.all(`SELECT json FROM ${kind} ORDER BY position`).map((row) =>
      this.parse<StoredKinds[K]>(row['json']),
    );
  }

  listRuns(filter: RunFilter): Run[] {
    const { limit, before, sessionId, search, isLive, status } = filter;
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    const where = (condition: string, ...bound: SQLInputValue[]): void => {
      conditions.push(condition);
      values.push(...bound);
    };
    if (before !== undefined) where('position < (SELECT position FROM run WHERE id = ?)', before);
    if (sessionId !== undefined) where('session_id = ?', sessionId);
    if (isLive === true) where('is_live = 1');
    if (isLive === false) where('is_live = 0');
    if (status !== undefined) where("json_valid(json) AND json_extract(json, '$.status') = ?", status);
    if (search !== undefined && search.length > 0) where('instr(task_folded, ?) > 0', search.toLowerCase());
    const rows = this.all(
      `SELECT json FROM run ${whereClause(conditions)} ORDER BY position DESC LIMIT ?`,
      ...values,
      Math.max(0, Math.floor(limit)),
    );
    return rows.map((row) => this.parse<Run>(row['json']));
  }

  readEvents(filter: EventFilter): OrchestratorEvent[] {
    const conditions = ['sequence > ?'];
    const values: SQLInputValue[] = [filter.after];
    for (const [column, value] of [
      ['session_id', filter.sessionId],
      ['run_id', filter.runId],
      ['terminal_id', filter.terminalId],
    ] as const) {
      if (value === undefined) continue;
      conditions.push(`${column} = ?`);
      values.push(value);
    }
    const limit = Math.min(eventPageLimit, Math.max(1, Math.floor(filter.limit)));
    const rows = this.all(
      `SELECT * FROM event ${whereClause(conditions)} ORDER BY sequence LIMIT ?`,
      ...values,
      limit,
    );
    return rows.map((row) => this.eventOf(row));
  }

  readMessages({ sessionId, after, last }: MessageFilter): Message[] {
    const rows = this.all(
      `SELECT json FROM message WHERE session_id = ?
       AND position > ifnull((SELECT position FROM message WHERE session_id = ? AND id = ?), 0)
       ORDER BY position DESC LIMIT ?`,
      sessionId,
      sessionId,
      after ?? '',
      // SQLite takes a negative limit for none.
      last === undefined ? -1 : Math.max(0, Math.floor(last)),
    );
    return rows.reverse().map((row) => this.parse<Message>(row['json']));
  }

  getMessage(sessionId: string, id: string): Message | undefined {
    const row = this.first('SELECT json FROM message WHERE session_id = ? AND id = ?', sessionId, id);
    return row === undefined ? undefined : this.parse<Message>(row['json']);
  }

  listTasks(filter: TaskFilter): AgentTask[] {
    const { limit = taskPage } = filter;
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    for (const [condition, value] of [
      ['agent_id = ?', filter.agentId],
      ['session_id = ?', filter.sessionId],
      ["json_extract(json, '$.state') = ?", filter.state],
      ["json_extract(json, '$.type') = ?", filter.type],
      ["json_extract(json, '$.priority') = ?", filter.priority],
      ["json_extract(json, '$.createdAt') > ?", filter.createdAfter],
      ["json_extract(json, '$.createdAt') < ?", filter.createdBefore],
    ] as const) {
      if (value === undefined) continue;
      conditions.push(condition);
      values.push(value);
    }
    const rows = this.all(
      `SELECT json FROM task ${whereClause(conditions)} ORDER BY position DESC LIMIT ?`,
      ...values,
      Math.max(0, Math.floor(limit)),
    );
    return rows.reverse().map((row) => this.parse<AgentTask>(row['json']));
  }

  listLiveTasks(): AgentTask[] {
    return this.all('SELECT json FROM task WHERE is_live = 1 ORDER BY position').map((row) =>
      this.parse<AgentTask>(row['json']),
    );
  }

  readTaskChunks(taskId: string, kind: 'input' | 'output', from: number, maxBytes: number): TaskChunk[] {
    const rows = this.all(
      `SELECT offset, stream, data FROM task_chunk
       WHERE task_id = ?1 AND is_input = ?2 AND end > ?3 AND offset < ?4 + max(?3, (
         SELECT ifnull(min(offset), 0) FROM task_chunk
         WHERE task_id = ?1 AND is_input = ?2 AND end > ?3
       )) ORDER BY offset`,
      taskId,
      kind === 'input' ? 1 : 0,
      from,
      maxBytes,
    );
    return rows.map((row) => ({
      offset: numberOf(row['offset']),
      stream: textOf(row['stream']) as TaskChunk['stream'],
      data: row['data'] instanceof Uint8Array ? row['data'] : new Uint8Array(),
    }));
  }

  requestKey(kind: KeyedKind, key: string, since: number): string | undefined {
    return readRequestKey(this.statements, kind, key, since);
  }

  totals(): StoreTotals {
    return readTotals(this.statements);
  }

  lastSequence(): number {
    return numberOf(this.first("SELECT seq FROM sqlite_sequence WHERE name = 'event'")?.['seq']);
  }

  workerCursor(workerId: string): number {
    return numberOf(
      this.first('SELECT sequence FROM worker_cursor WHERE worker_id = ?', workerId)?.['sequence'],
    );
  }

  /** Touches every table, so that opening meets what is plainly broken. */
  readNewest(): void {
    for (const kind of storedKinds) {
      const row = this.first(`SELECT json FROM ${kind} ORDER BY position DESC LIMIT 1`);
      if (row !== undefined) this.parse(row['json']);
    }
    this.first('SELECT json FROM message LIMIT 1');
    const event = this.first('SELECT * FROM event ORDER BY sequence DESC LIMIT 1');
    if (event !== undefined) this.eventOf(event);
    this.first('SELECT sequence FROM worker_cursor LIMIT 1');
  }

  dispose(): void {
    if (!this.database.isOpen) return;
    this.prepared.clear();
    this.database.close();
  }

  private readonly statements: Statements = {
    all: (sql, ...values) => this.all(sql, ...values),
    run: (sql, ...values) => this.run(sql, ...values),
  };

  private readonly transaction: StoreTransaction = {
    put: (kind, value) => {
      this.put(kind, value);
    },
    delete: (kind, id) => {
      this.run(`DELETE FROM ${kind} WHERE id = ?`, id);
      if (kind === 'task') this.run('DELETE FROM task_chunk WHERE task_id = ?', id);
      if (kind !== 'run') return;
      this.run('DELETE FROM event WHERE run_id = ?', id);
      this.run('DELETE FROM worker_cursor WHERE worker_id = ?', id);
    },
    append: (event) => this.append(event),
    addTaskChunk: (taskId, { offset, stream, data }) => {
      this.run(
        'INSERT INTO task_chunk (task_id, is_input, offset, end, stream, data) VALUES (?, ?, ?, ?, ?, ?)',
        taskId,
        stream === 'stdin' ? 1 : 0,
        offset,
        offset + data.length,
        stream,
        data,
      );
    },
    dropTaskOutput: (taskId, before) => {
      this.run('DELETE FROM task_chunk WHERE task_id = ? AND is_input = 0 AND end <= ?', taskId, before);
    },
    addMessage: (message) => {
      const { sessionId, id } = message;
      this.run(
        'INSERT INTO message (session_id, id, json) VALUES (?, ?, ?)',
        sessionId,
        id,
        JSON.stringify(message),
      );
    },
    setRequestKey: (...key) => {
      setRequestKey(this.statements, ...key);
    },
    addToTotals: (delta) => {
      addToTotals(this.statements, delta);
    },
    setWorkerCursor: (workerId, sequence) => {
      this.run(
        `INSERT INTO worker_cursor (worker_id, sequence) VALUES (?, ?)
         ON CONFLICT (worker_id) DO UPDATE SET sequence = excluded.sequence`,
        workerId,
        sequence,
      );
    },
  };

  private put<K extends StoredKind>(kind: K, value: StoredKinds[K]): void {
    const json = JSON.stringify(value);
    if ('target' in value) {
      const agentId = value.agentId ?? boundAgent(value) ?? null;
      this.run(
        `INSERT INTO task (id, session_id, agent_id, is_live, json) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET agent_id = excluded.agent_id, is_live = excluded.is_live, json = excluded.json`,
        value.id,
        value.sessionId,
        agentId,
        isTaskEnded(value) ? 0 : 1,
        json,
      );
      return;
    }
    if (!('request' in value)) {
      this.run(
        `INSERT INTO ${kind} (id, json) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json`,
        value.id,
        json,
      );
      return;
    }
    this.run(
      `INSERT INTO run (id, session_id, is_live, task_folded, json) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET is_live = excluded.is_live, json = excluded.json`,
      value.id,
      value.sessionId,
      isRunEnded(value) ? 0 : 1,
      value.request.task.toLowerCase(),
      json,
    );
  }

  private append(event: NewEvent): OrchestratorEvent {
    const id = this.ids.hexId();
    const { type, time, sessionId, runId, terminalId, data, ...extra } = event;
    const extraJson = JSON.stringify(extra);
    const { lastInsertRowid } = this.run(
      `INSERT INTO event (id, type, time, session_id, run_id, terminal_id, data, extra)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      type,
      Math.round(time),
      sessionId ?? null,
      runId ?? null,
      terminalId ?? null,
      JSON.stringify(data),
      extraJson === '{}' ? null : extraJson,
    );
    return { ...event, time: Math.round(time), id, sequence: Number(lastInsertRowid) };
  }

  private eventOf(row: Row): OrchestratorEvent {
    const scope = {
      sessionId: textOf(row['session_id']),
      runId: textOf(row['run_id']),
      terminalId: textOf(row['terminal_id']),
    };
    return {
      sequence: numberOf(row['sequence']),
      id: textOf(row['id']) ?? '',
      type: textOf(row['type']) ?? '',
      time: numberOf(row['time']),
      ...scope,
      ...(row['extra'] === null ? {} : this.parse<Partial<OrchestratorEvent>>(row['extra'])),
      data: this.parse(row['data']),
    };
  }

  /** What we wrote as JSON and cannot read as JSON is damage. */
  private parse<T>(json: SQLOutputValue | undefined): T {
    try {
      return JSON.parse(String(json)) as T;
    } catch (error) {
      this.onCorruption();
      throw corruptStore(this.path, error);
    }
  }

  private first(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.guard(() => this.statement(sql).get(...values));
  }

  private all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.guard(() => this.statement(sql).all(...values));
  }

  private run(sql: string, ...values: SQLInputValue[]): { lastInsertRowid: number | bigint } {
    return this.statement(sql).run(...values);
  }

  private statement(sql: string): StatementSync {
    let statement = this.prepared.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.prepared.set(sql, statement);
    }
    return statement;
  }

  private guard<T>(action: () => T): T {
    if (!this.database.isOpen) {
      throw new OrchestratorError('UNAVAILABLE', 'closed', 'The store was closed.');
    }
    try {
      return action();
    } catch (error) {
      if (isCorruption(error)) this.onCorruption();
      throw sqliteError(error, this.path);
    }
  }
}
