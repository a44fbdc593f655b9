import { OrchestratorError } from '../../../base/errors.ts';
import type { AnswerFrame } from '../../../protocol/daemon/frames.ts';
import { closeCode } from '../../../protocol/daemon/handshake.ts';
import {
  authRequest,
  daemonRequest,
  invalidFormatText,
  unknownTypeText,
} from '../../../protocol/daemon/requests.ts';
import type { Authenticator, Caller } from '../../access/caller.ts';
import type { AcceptClient, ClientHandler, ClientLink, FrameBatch } from '../clientLink.ts';
import type { CallerShare } from './callerShares.ts';
import type { FrameEncoder } from './encodings.ts';
import { protocolCode } from './frames.ts';
import { RateWindow } from './rateWindow.ts';
import type { SocketConnection } from './socketConnection.ts';
import type { SocketLimits } from './socketLimits.ts';

export interface SocketClientOptions {
  readonly connection: SocketConnection;
  readonly encoder: FrameEncoder;
  readonly remoteAddress: string;
  readonly authenticator: Authenticator;
  readonly accept: AcceptClient;
  readonly limits: SocketLimits;
  /** Up to where the log is told. */
  readonly sequence: () => number;
  /** Milliseconds since the epoch: when tokens expire. */
  readonly now: () => number;
  /** Milliseconds, of a clock that is never set. */
  readonly monotonic: () => number;
  /** Takes a place for a connection of the caller; undefined where the caller has too many. */
  readonly enter: (caller: Caller, onGone: () => void) => CallerShare | undefined;
  /** It has shown a token for the first time. */
  readonly onTrusted: () => void;
}

/** So many bytes of what is no request count as one more of it. */
const bytesPerInvalid = 64 * 1024;
/** Messages over the limit that are answered in one window before the connection goes. */
const overLimitAllowance = 1;
/** Windows in a row over the limit before it goes. */
const overLimitWindows = 3;
/** Longer messages over the limit are not looked at for their `requestId`. */
const answeredBytes = 4_096;

/** A client of the daemon: shows its token, then sends requests and gets answers and the stream. */
export class SocketClient {
  private readonly options: SocketClientOptions;
  private readonly since: number;
  private readonly messages: RateWindow;
  private readonly oversized: RateWindow;
  private readonly invalids: RateWindow;
  private share: CallerShare | undefined;
  private handler: ClientHandler | undefined;

  constructor(options: SocketClientOptions) {
    this.options = options;
    const { limits, monotonic } = options;
    this.since = monotonic();
    this.messages = new RateWindow(limits.maxMessages, limits.windowMs);
    this.invalids = new RateWindow(limits.maxInvalid, limits.windowMs);
    this.oversized = new RateWindow(limits.maxOversized, limits.windowMs);
  }

  /** @param share of whoever has shown a token with the handshake. */
  start(share: CallerShare | undefined): void {
    // Contract 002, section 1. Whoever has shown nothing is not told how far the log is.
    this.answer({ type: 'health_check_response', healthy: true }, share === undefined ? 0 : undefined);
    if (share !== undefined) this.trust(share);
  }

  /** What a token that has ended means; the share tells when. */
  onGone(): void {
    const { connection, now } = this.options;
    const isExpired = (this.share?.caller.expiresAt ?? Infinity) <= now();
    this.answer({ type: 'error', error: isExpired ? 'token_expired' : 'api_key_invalid' });
    connection.close(closeCode.unauthorized, isExpired ? 'Token expired' : 'Token revoked');
  }

  message(data: Buffer, isText: boolean): void {
    if (!this.isWithinRate(data, isText)) return;
    const value = this.decode(data, isText);
    if (this.share === undefined) {
      if (typeOf(value) === 'auth') this.authenticate(value);
      else this.refuse('not_authenticated', 'Send {"type":"auth","token":…} first', requestIdOf(value));
      return;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.invalid(
        undefined,
        data.length,
        `A message is one object in ${isText ? 'JSON' : 'CBOR'}, within the limits.`,
      );
      return;
    }
    if (typeOf(value) === 'auth') this.authenticate(value);
    else if ('auth' in value) this.checkOwnToken(value, value.auth, data.length);
    else this.handle(value, data.length);
  }

  oversizedMessage(isBegun: boolean): void {
    const { connection, limits, monotonic } = this.options;
    if (!isBegun) {
      this.invalid(undefined, 0, `A message may have ${limits.maxMessageBytes} bytes.`);
    } else if (this.share === undefined) {
      connection.close(
        protocolCode.tooBig,
        `Before "auth" a message may have ${limits.maxStrangerBytes} bytes.`,
      );
    } else if (this.oversized.take(monotonic()) > 0) {
      connection.close(
        protocolCode.tooBig,
        `Too many messages of more than ${limits.maxMessageBytes} bytes.`,
      );
    }
  }

  drained(): void {
    this.handler?.drained();
  }

  /** Called from time to time. */
  sweep(nowMs: number): void {
    const { limits, connection } = this.options;
    if (this.share === undefined && nowMs - this.since >= limits.authTimeoutMs) {
      connection.close(closeCode.authTimeout, `No "auth" came within ${limits.authTimeoutMs / 1_000} s.`);
    }
  }

  /** It is gone. */
  dispose(): void {
    const { share, handler } = this;
    this.handler = undefined;
    share?.leave();
    handler?.dispose();
  }

  private trust(share: CallerShare): void {
    const { options } = this;
    const isFirst = this.share === undefined;
    this.share?.leave();
    this.share = share;
    if (!isFirst) return;
    options.connection.maxBytes = options.limits.maxMessageBytes;
    options.onTrusted();
    this.handler = options.accept(this.link(share.caller));
  }

  /** The newest caller's: a client may show another token before its own one expires. */
  private link(first: Caller): ClientLink {
    const { connection, encoder } = this.options;
    const currentCaller = (): Caller => this.share?.caller ?? first;
    return {
      get caller() {
        return currentCaller();
      },
      answer: (frame) => connection.send(encoder.one(frame), 1),
      deliver(batch: FrameBatch) {
        const { bytes, count } = encoder.batch(batch);
        connection.send(bytes, count);
        return connection.isOpen && !connection.checkFull();
      },
      close: (code, reason) => connection.close(code, reason),
    };
  }

  /** Contract 002, section 5: over the limit a message is dropped, and the socket stays; for a time. */
  private isWithinRate(data: Buffer, isText: boolean): boolean {
    const { connection, limits, monotonic } = this.options;
    const nowMs = monotonic();
    const over = this.messages.take(nowMs);
    if (over === 0 && (this.share?.takeMessage(nowMs) ?? true)) return true;
    const value = data.length <= answeredBytes ? this.decode(data, isText) : undefined;
    this.answer({ type: 'error', error: 'rate_limit_exceeded', requestId: requestIdOf(value) });
    if (over > limits.maxMessages * overLimitAllowance || this.messages.overWindows >= overLimitWindows) {
      connection.close(
        closeCode.rateLimited,
        `More than ${limits.maxMessages} messages in ${limits.windowMs / 1_000} s.`,
      );
    }
    return false;
  }

  /** @returns undefined for what is none. */
  private decode(data: Buffer, isText: boolean): unknown {
    const { encoder, limits } = this.options;
    if (isText !== encoder.encoding.isText) return undefined;
    try {
      return encoder.encoding.decode(data, limits);
    } catch {
      return undefined;
    }
  }

  private handle(value: object, bytes: number): void {
    const type = typeOf(value);
    if (type === undefined || !requestTypes.has(type)) {
      this.answer({ type: 'error', error: unknownTypeText, requestId: requestIdOf(value) });
      this.countInvalid(bytes);
      return;
    }
    const { success, data, error } = daemonRequest.safeParse(value);
    if (success) {
      this.handler?.handle(data);
      return;
    }
    const [issue] = error.issues;
    const where = issue?.path.join('.') ?? '';
    this.invalid(
      requestIdOf(value),
      bytes,
      `${where === '' ? 'The message' : where}: ${issue?.message ?? 'wrong'}.`,
    );
  }

  /** The frame `auth`: the first one, or one with a new token. */
  private authenticate(value: unknown): void {
    const { success, data } = authRequest.safeParse(value);
    if (!success) {
      this.refuse('credentials_missing', 'The frame "auth" has no token', requestIdOf(value));
      return;
    }
    const { token, requestId } = data;
    const { enter, connection } = this.options;
    void this.withCaller(
      token,
      (caller) => {
        const share = enter(caller, () => this.onGone());
        if (share === undefined) {
          this.answer({ type: 'error', error: 'connection_limit_exceeded', requestId });
          connection.close(closeCode.rateLimited, 'Too many connections');
          return;
        }
        this.answer({ type: 'auth_success', scopes: [...caller.scopes], requestId });
        this.trust(share);
      },
      (reason) => this.refuse(reason, 'Authentication failed', requestId),
    );
  }

  /** Contract 002, section 5: a message may bring its own token, and is dropped where that is wrong. */
  private checkOwnToken(value: object, auth: unknown, bytes: number): void {
    const requestId = requestIdOf(value);
    const fields = typeof auth === 'object' && auth !== null ? (auth as Record<string, unknown>) : {};
    const token = fields['token'] ?? fields['apiKey'];
    if (typeof token !== 'string') {
      this.answer({ type: 'error', error: 'message_credentials_missing', requestId });
      return;
    }
    void this.withCaller(
      token,
      () => this.handle(value, bytes),
      (error) => this.answer({ type: 'error', error, requestId }),
    );
  }

  /** Reads no further until the token is known, so that everything stays in its order. */
  private async withCaller(
    token: string,
    onKnown: (caller: Caller) => void,
    onRefused: (reason: string) => void,
  ): Promise<void> {
    const { connection, authenticator, remoteAddress } = this.options;
    connection.hold();
    try {
      const caller = await authenticator.authenticate({ token, remoteAddress });
      if (connection.isOpen) onKnown(caller);
    } catch (error) {
      onRefused(OrchestratorError.from(error).message);
    } finally {
      connection.release();
    }
  }

  private invalid(requestId: string | undefined, bytes: number, detail: string): void {
    this.answer({ type: 'error', error: invalidFormatText, detail, requestId });
    this.countInvalid(bytes);
  }

  private countInvalid(bytes: number): void {
    const { connection, monotonic } = this.options;
    if (this.invalids.take(monotonic(), 1 + Math.floor(bytes / bytesPerInvalid)) === 0) return;
    connection.close(closeCode.rateLimited, 'Too many messages that are no requests.');
  }

  private refuse(error: string, reason: string, requestId: string | undefined): void {
    this.answer({ type: 'error', error, requestId }, this.share === undefined ? 0 : undefined);
    this.options.connection.close(closeCode.unauthorized, reason);
  }

  private answer(frame: AnswerFrame, seq = this.options.sequence()): void {
    this.options.connection.send(this.options.encoder.one({ ...frame, seq }), 1);
  }
}

const requestTypes: ReadonlySet<unknown> = daemonRequest._zod.propValues['type'] ?? new Set();

function typeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('type' in value)) return undefined;
  return typeof value.type === 'string' ? value.type : undefined;
}

function requestIdOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('requestId' in value)) return undefined;
  const { requestId } = value;
  return typeof requestId === 'string' && requestId.length <= 200 ? requestId : undefined;
}
