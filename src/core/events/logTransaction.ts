import type {
  KeyedKind,
  Store,
  StoredKind,
  StoredKinds,
  StoreTotals,
  StoreTransaction,
} from '../ports/store.ts';
import type { Message } from '../sessions/message.ts';
import type { TaskChunk } from '../tasks/task.ts';
import type { CoreEventData, CoreEventType, NewEvent, OrchestratorEvent } from './event.ts';
import type { StateChange, StateMirror } from './stateMirror.ts';

/** What an event belongs to. */
export type EventScope = Omit<NewEvent, 'type' | 'time' | 'data'>;

/** A store transaction that also answers with what it has written so far. */
export interface LogTransaction extends StoreTransaction {
  get<K extends StoredKind>(kind: K, id: string): StoredKinds[K] | undefined;
  /** Appends an event of the core's own, at the time of this commit. */
  report<T extends CoreEventType>(type: T, scope: EventScope, data: CoreEventData[T]): OrchestratorEvent;
}

/** Passes everything on to the store and remembers it, for the mirror and for the listeners. */
export class RecordingTransaction implements LogTransaction {
  readonly events: OrchestratorEvent[] = [];
  /** The last write of each thing, in the order of first writes. */
  readonly changes = new Map<string, StateChange>();
  private readonly tx: StoreTransaction;
  private readonly store: Store;
  private readonly state: StateMirror;
  private readonly time: number;

  constructor(tx: StoreTransaction, store: Store, state: StateMirror, time: number) {
    this.tx = tx;
    this.store = store;
    this.state = state;
    this.time = time;
  }

  get<K extends StoredKind>(kind: K, id: string): StoredKinds[K] | undefined {
    const change = this.changes.get(`${kind} ${id}`);
    // The key holds the kind, so the change found under it is of that kind.
    if (change !== undefined) return change.value as StoredKinds[K] | undefined;
    const mirrored: Record<StoredKind, ReadonlyMap<string, StoredKinds[StoredKind]>> = {
      session: this.state.sessions,
      terminal: this.state.terminals,
      run: this.state.liveRuns,
      agent: this.state.agents,
      task: this.state.liveTasks,
      container: this.state.containers,
      engineClaim: this.state.engineClaims,
      containerTask: this.state.containerTasks,
    };
    const value = mirrored[kind].get(id) as StoredKinds[K] | undefined;
    // Runs and tasks that have ended are the only things that the mirror does not hold.
    return value ?? (kind === 'run' || kind === 'task' ? this.store.get(kind, id) : undefined);
  }

  put<K extends StoredKind>(kind: K, value: StoredKinds[K]): void {
    this.tx.put(kind, value);
    this.record({ kind, id: value.id, value } as StateChange);
  }

  delete(kind: StoredKind, id: string): void {
    this.tx.delete(kind, id);
    this.record({ kind, id, value: undefined });
  }

  append(event: NewEvent): OrchestratorEvent {
    const stored = this.tx.append(event);
    this.events.push(stored);
    return stored;
  }

  report<T extends CoreEventType>(type: T, scope: EventScope, data: CoreEventData[T]): OrchestratorEvent {
    return this.append({ ...scope, type, time: this.time, data: { ...data } });
  }

  addMessage(message: Message): void {
    this.tx.addMessage(message);
  }

  addTaskChunk(taskId: string, chunk: TaskChunk): void {
    this.tx.addTaskChunk(taskId, chunk);
  }

  dropTaskOutput(taskId: string, before: number): void {
    this.tx.dropTaskOutput(taskId, before);
  }

  setWorkerCursor(workerId: string, sequence: number): void {
    this.tx.setWorkerCursor(workerId, sequence);
  }

  setRequestKey(kind: KeyedKind, key: string, id: string, time: number, forgetBefore: number): void {
    this.tx.setRequestKey(kind, key, id, time, forgetBefore);
  }

  addToTotals(delta: Partial<StoreTotals>): void {
    this.tx.addToTotals(delta);
  }

  private record(change: StateChange): void {
    this.changes.set(`${change.kind} ${change.id}`, change);
  }
}
