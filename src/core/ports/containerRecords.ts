import type { Disposable } from '../../base/disposable.ts';
import type { OutputStream } from './containerEngine.ts';

/** Our own record of what containers print: on disk before anybody is shown it, addressed by absolute byte offset. */
export interface ContainerRecords extends Disposable {
  /** The one record of the container, made where it is missing. */
  open(containerId: string): ContainerRecord;
  /** Undefined where nothing was recorded. */
  find(containerId: string): ContainerRecord | undefined;
  remove(containerId: string): void;
  /** Containers that have a record. */
  list(): string[];
}

export interface ContainerRecord {
  /** First offset that is still held. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
  /** How many bytes of each stream have been recorded since the container was made, dropped ones too. */
  readonly streamEnds: Readonly<Record<OutputStream, number>>;
  /** Throws where the disk takes no more; `streamEnds` then says how much it took. */
  append(stream: OutputStream, data: Uint8Array, time: number): void;
  /** At most `maxBytes` from `from`, or from the first offset after it that is still held. */
  read(from: number, maxBytes: number): RecordedOutput[];
  /** Lets go of all the output that is held. Offsets go on where they are. */
  clear(): void;
  /** Where the output of a time (milliseconds since the epoch) begins. */
  offsetAt(time: number): number;
}

/** Consecutive bytes of one stream. */
export interface RecordedOutput {
  readonly offset: number;
  readonly stream: OutputStream;
  /** When it was received, in milliseconds since the epoch. */
  readonly time: number;
  readonly data: Uint8Array;
}
