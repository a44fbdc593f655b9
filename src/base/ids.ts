/** Ids as architecture.md sets them: 32 hex for sessions and events, UUID v4 for terminals, UUID v7 for runs. */
export interface IdSource {
  /** 32 lower-case hex characters: sessions, messages, events, tasks. */
  hexId(): string;
  /** UUID v4: terminals. */
  uuidV4(): string;
  /** UUID v7 (time-ordered, RFC 9562): runs and their workers. */
  uuidV7(): string;
}

export const systemIds: IdSource = {
  hexId: () => toHex(crypto.getRandomValues(new Uint8Array(16))),
  uuidV4: () => crypto.randomUUID(),
  uuidV7: () => uuidV7At(Date.now(), crypto.getRandomValues(new Uint8Array(10))),
};

/** RFC 9562, section 5.7: 48 bits of milliseconds, version 7, 74 random bits. `random` holds at least 10 bytes. */
export function uuidV7At(timeMs: number, random: Uint8Array): string {
  const time = timeMs.toString(16).padStart(12, '0').slice(-12);
  const bytes = random.slice(0, 10);
  bytes[0] = ((bytes[0] ?? 0) & 0x0f) | 0x70;
  bytes[2] = ((bytes[2] ?? 0) & 0x3f) | 0x80;
  const tail = toHex(bytes);
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail.slice(0, 4)}-${tail.slice(4, 8)}-${tail.slice(8)}`;
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Whether `value` is a lower-case UUID: what may become the name of a file or folder of ours. */
export function isUuid(value: string): boolean {
  return uuidPattern.test(value);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
