import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Message } from '../../../core/sessions/message.ts';
import type { ResponseChunk } from '../../../protocol/gen/gateway/v1/gateway.ts';
import { dateOf } from './values.ts';

/** Of a run's output one chunk holds this much at most; a reader that is slow gets the next from the record. */
const mostOutputBytes = 64 * 1024;
const outputType = 'text/x-terminal';

export interface ChunkOptions {
  /** Bytes of one chunk of a message at most; 0 sends each message whole. */
  readonly chunkSize: number;
  readonly newId: () => string;
}

/** What is being answered, as far as it was told. */
interface Answer {
  sequence: number;
  readonly decoder: InstanceType<typeof TextDecoder>;
  /** By step: up to which offset its output was told. */
  readonly told: Map<string, number>;
}

/**
 * Makes the chunks of a chat of what the assistant says in a session and of what its runs and agents put out. Holds a
 * number for each answer under way; texts and bytes are read when their chunk is.
 */
export class AnswerChunks {
  private readonly orchestrator: Orchestrator;
  private readonly options: ChunkOptions;
  private readonly answers = new Map<string, Answer>();

  constructor(orchestrator: Orchestrator, options: ChunkOptions) {
    this.orchestrator = orchestrator;
    this.options = options;
  }

  /** Whether anything of an event is told as a chunk. */
  isTold({ type, data, taskId }: OrchestratorEvent): boolean {
    switch (type) {
      case 'message.sent':
        return data['role'] === 'assistant';
      case 'runner.step.output':
      case 'runner.task.output':
      case 'response.completed':
      case 'error':
        return true;
      case 'task.output':
      case 'task.completed':
      case 'task.failed':
        return taskId !== undefined && this.isAlone(taskId);
      default:
        return false;
    }
  }

  /** The chunks of an event of which something is told. */
  async *of(event: OrchestratorEvent): AsyncGenerator<ResponseChunk, void, undefined> {
    const { type, data, sessionId = '', runId = '', taskId = '' } = event;
    switch (type) {
      case 'message.sent': {
        const message = this.orchestrator.messages.find(sessionId, String(data['message_id']));
        if (message !== undefined) yield* this.ofMessage(message);
        break;
      }
      case 'runner.step.output':
        yield* this.ofTerminal(event, runId);
        break;
      case 'runner.task.output':
        yield* this.ofTask(event, String(data['task_id']), runId);
        break;
      case 'task.output':
        yield* this.ofTask(event, taskId, taskId);
        break;
      case 'response.completed':
      case 'error':
        yield this.last(event, { run_id: runId }, runId);
        break;
      case 'task.completed':
      case 'task.failed':
        yield this.last(event, { task_id: taskId }, taskId);
        break;
    }
  }

  /** A message is told in chunks that break no character. */
  *ofMessage(message: Message): Generator<ResponseChunk, void, undefined> {
    const { newId, chunkSize } = this.options;
    const data = Buffer.from(message.content);
    const pieces = chunkSize > 0 ? splitText(data, chunkSize) : [data];
    let sent = 0;
    for (const [sequence, piece] of pieces.entries()) {
      sent += piece.length;
      yield {
        chunkId: newId(),
        sequence,
        data: piece,
        text: piece.toString(),
        isDelta: pieces.length > 1,
        isFinal: sequence === pieces.length - 1,
        metadata: {
          timestamp: dateOf(message.time),
          contentType: 'text/plain',
          totalBytes: BigInt(data.length),
          progress: data.length === 0 ? 1 : sent / data.length,
          extra: { message_id: message.id },
        },
      };
    }
  }

  private async *ofTerminal(
    event: OrchestratorEvent,
    runId: string,
  ): AsyncGenerator<ResponseChunk, void, undefined> {
    const [step, terminalId, to] = [
      String(event.data['step']),
      String(event.data['terminal_id']),
      event.data['to'],
    ];
    const answer = this.answerOf(runId);
    // An event tells the whole span of its step: what was told of it before is not told again.
    let from = answer.told.get(step) ?? Number(event.data['from']);
    while (from < Number(to)) {
      const end = Math.min(Number(to), from + mostOutputBytes);
      const { data } = await this.orchestrator.terminals.read(terminalId, from, end);
      if (data.length > 0) yield this.output(event, answer, data, { run_id: runId, step });
      from = end;
    }
    answer.told.set(step, from);
  }

  private *ofTask(
    event: OrchestratorEvent,
    taskId: string,
    key: string,
  ): Generator<ResponseChunk, void, undefined> {
    const { tasks } = this.orchestrator;
    const answer = this.answerOf(key);
    const to = Number(event.data['to']);
    for (let from = Number(event.data['from']); from < to; ) {
      const chunks = tasks.readOutput(taskId, from);
      if (chunks.length === 0) return;
      for (const { offset, data, stream } of chunks) {
        if (offset >= to) return;
        const piece = data.subarray(0, to - offset);
        yield this.output(event, answer, piece, { task_id: taskId, stream });
        from = offset + piece.length;
      }
    }
  }

  private output(
    event: OrchestratorEvent,
    answer: Answer,
    data: Uint8Array,
    extra: Record<string, string>,
  ): ResponseChunk {
    return {
      chunkId: this.options.newId(),
      sequence: answer.sequence++,
      data,
      text: answer.decoder.decode(data, { stream: true }),
      isDelta: true,
      isFinal: false,
      metadata: {
        timestamp: dateOf(event.time),
        contentType: outputType,
        totalBytes: 0n,
        progress: 0,
        extra,
      },
    };
  }

  /** An empty chunk says that no more comes, and how it went. */
  private last(event: OrchestratorEvent, ids: Record<string, string>, key: string): ResponseChunk {
    const { outcome, error, state } = event.data;
    const answer = this.answerOf(key);
    this.answers.delete(key);
    const how = typeof outcome === 'string' ? outcome : typeof state === 'string' ? state : 'failed';
    const extra = { ...ids, outcome: how, ...(typeof error === 'string' ? { error } : {}) };
    const chunk = this.output(event, answer, new Uint8Array(), extra);
    return { ...chunk, text: answer.decoder.decode(), isFinal: true };
  }

  /** A run tells of its own task. */
  private isAlone(taskId: string): boolean {
    const task = this.orchestrator.tasks.find(taskId);
    return task !== undefined && task.runId === undefined;
  }

  private answerOf(key: string): Answer {
    let answer = this.answers.get(key);
    if (answer === undefined) {
      answer = { sequence: 0, decoder: new TextDecoder('utf-8', { ignoreBOM: true }), told: new Map() };
      this.answers.set(key, answer);
    }
    return answer;
  }
}

/** Pieces of at most so many bytes that end between characters; a longer character makes a longer piece. */
export function splitText(data: Buffer, size: number): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  while (data.length - from > size) {
    let to = from + size;
    while (to > from && isContinuation(data[to])) to -= 1;
    if (to === from) {
      to = from + size;
      while (isContinuation(data[to])) to += 1;
    }
    pieces.push(data.subarray(from, to));
    from = to;
  }
  pieces.push(data.subarray(from));
  return pieces;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
