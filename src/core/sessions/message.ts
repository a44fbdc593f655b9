/** What was said in a session. */
export interface Message {
  /** 32 hex characters where we made it; a client may bring its own. */
  readonly id: string;
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly role: MessageRole;
  readonly content: string;
  readonly metadata: MessageMetadata;
}

export type MessageRole = 'user' | 'system' | 'assistant' | 'tool';

export interface MessageMetadata {
  readonly containerId?: string | undefined;
  readonly toolName?: string | undefined;
  readonly toolCallId?: string | undefined;
  readonly extra: Readonly<Record<string, string>>;
}

export interface NewMessage {
  /** At most 128 characters, of its own in the session; made when missing or empty. */
  readonly id?: string | undefined;
  /** Now when missing. */
  readonly time?: number | undefined;
  /** `user` when missing. */
  readonly role?: MessageRole | undefined;
  /** At most 1,000,000 characters. */
  readonly content: string;
  readonly metadata?: Partial<MessageMetadata> | undefined;
}
