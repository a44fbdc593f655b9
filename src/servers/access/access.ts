import { timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Scope, scopes } from '../../protocol/daemon/handshake.ts';
import type { Authenticator, Caller, Credentials } from './caller.ts';
import { type Denial, DenialAudit } from './denialAudit.ts';
import { defaultFailureLimits, FailureLimit, type FailureLimits } from './failureLimit.ts';
import { createJwtVerifier, type JwtOptions, type JwtVerifier } from './jwt.ts';
import { hashOf, isExpired, type NamedToken, namedTokensPath, readNamedTokens } from './namedTokens.ts';
import { refused, tooManyFailures } from './refusals.ts';
import { ensureTokenFile, readTokenFile } from './tokenFile.ts';

export interface AccessOptions {
  /** Private, and held by this core: the tokens are kept in it. */
  readonly stateDir: string;
  readonly jwt?: JwtOptions | undefined;
  /** Failures, gathered, besides the lines in the log: for the event log. Must not throw. */
  readonly onDidDeny?: ((denials: readonly Denial[]) => void) | undefined;
  readonly failureLimits?: FailureLimits | undefined;
  /** How often those who are connected are looked at again, in milliseconds. */
  readonly checkIntervalMs?: number | undefined;
  readonly logger: Logger;
}

/** Who may come in by the doors for the network, and whether they still may. */
export interface Access extends Authenticator, Disposable {
  /** The file of the main token. */
  readonly tokenPath: string;
  /** False once the token was revoked or replaced, or has expired. */
  isStillValid(caller: Caller): boolean;
  /** Calls `onGone` once, within two seconds of that moment. Disposed when the caller has left. */
  watch(caller: Caller, onGone: () => void): Disposable;
}

const defaultCheckIntervalMs = 1_000;
const tokenFileName = 'http-token';

/** Where the main token of a state directory is kept. */
export function mainTokenPath(stateDir: string): string {
  return join(stateDir, tokenFileName);
}

/** What a token is known by, and what it may do. */
interface KnownToken {
  readonly name: string;
  readonly hash: string;
  readonly scope: Scope;
  readonly expiresAt?: number | undefined;
}

/** Makes the main token where there is none. Errors: `state_dir_unsafe`, `disk_full`; `invalid_request` (JWT). */
export function openAccess(options: AccessOptions): Access {
  const { stateDir, onDidDeny, logger } = options;
  const tokenPath = mainTokenPath(stateDir);
  ensureTokenFile(tokenPath);
  const verifyJwt = options.jwt === undefined ? undefined : createJwtVerifier(options.jwt);
  const tokens = new KnownTokens(stateDir, logger);
  const failures = new FailureLimit(options.failureLimits ?? defaultFailureLimits);
  const audit = new DenialAudit((denials) => {
    for (const { remoteAddress, reason, count } of denials)
      logger.warn(`Access denied to ${remoteAddress}: ${reason} (${count} times)`);
    onDidDeny?.(denials);
  });
  /** What each caller has shown; a JWT is judged by its expiry alone. */
  const shown = new WeakMap<Caller, KnownToken>();
  const watched = new Map<object, { readonly caller: Caller; readonly onGone: () => void }>();
  let timer: NodeJS.Timeout | undefined;

  const isStillValid = (caller: Caller): boolean => {
    if (caller.expiresAt !== undefined && caller.expiresAt <= Date.now()) return false;
    const token = shown.get(caller);
    return (
      token === undefined ||
      tokens.list().some(({ hash, name }) => hash === token.hash && name === token.name)
    );
  };
  const checkWatched = (): void => {
    for (const [key, { caller, onGone }] of [...watched]) {
      if (!watched.has(key) || isStillValid(caller)) continue;
      watched.delete(key);
      onGone();
    }
  };
  return {
    tokenPath,
    isStillValid,
    async authenticate({ token, remoteAddress }: Credentials) {
      try {
        if (token === undefined || token === '') throw refused('credentials_missing');
        const known = tokens.find(token);
        if (known === undefined) return await asJwt(token, verifyJwt);
        const caller = callerOf(known);
        shown.set(caller, known);
        return caller;
      } catch (error) {
        const refusal = OrchestratorError.from(error);
        if (refusal.code !== 'UNAUTHENTICATED') throw refusal;
        audit.note(remoteAddress, refusal.message);
        const waitMs = failures.take(remoteAddress, Date.now());
        throw waitMs === 0 ? refusal : tooManyFailures(waitMs);
      }
    },
    watch(caller, onGone) {
      const key = {};
      watched.set(key, { caller, onGone });
      timer ??= setInterval(checkWatched, options.checkIntervalMs ?? defaultCheckIntervalMs).unref();
      return {
        dispose() {
          watched.delete(key);
          if (watched.size > 0) return;
          clearInterval(timer);
          timer = undefined;
        },
      };
    },
    dispose() {
      clearInterval(timer);
      watched.clear();
      audit.dispose();
    },
  };
}

/** None of our tokens has a dot, every JWT has two. */
function asJwt(token: string, verify: JwtVerifier | undefined): Promise<Caller> {
  if (verify === undefined || !token.includes('.')) throw refused('api_key_invalid');
  return verify(token);
}

function callerOf({ name, scope, expiresAt }: KnownToken): Caller {
  return { name, scopes: new Set(scopes.slice(0, scopes.indexOf(scope) + 1)), expiresAt };
}

/** The main token and the further ones, read again as soon as their files have changed. */
class KnownTokens {
  private readonly stateDir: string;
  private readonly logger: Logger;
  private state = '';
  private known: readonly KnownToken[] = [];

  constructor(stateDir: string, logger: Logger) {
    this.stateDir = stateDir;
    this.logger = logger;
  }

  list(): readonly KnownToken[] {
    const paths = [mainTokenPath(this.stateDir), namedTokensPath(this.stateDir)];
    const state = paths.map(fileState).join();
    if (state !== this.state) {
      this.known = [...this.main(), ...this.named()];
      this.state = state;
    }
    return this.known;
  }

  /** All are compared, and whole, so that the time it takes tells nothing. */
  find(token: string): KnownToken | undefined {
    const given = Buffer.from(hashOf(token));
    const matches = this.list().filter(({ hash }) => timingSafeEqual(Buffer.from(hash), given));
    return matches.find(({ expiresAt }) => expiresAt === undefined || expiresAt > Date.now());
  }

  private main(): KnownToken[] {
    return this.readable(() => {
      const token = readTokenFile(mainTokenPath(this.stateDir));
      return token === undefined ? [] : [{ name: 'token', hash: hashOf(token), scope: 'admin' }];
    });
  }

  private named(): KnownToken[] {
    const now = Date.now();
    return this.readable(() =>
      readNamedTokens(this.stateDir)
        .filter((token: NamedToken) => !isExpired(token, now))
        .map(({ name, ...token }) => ({ ...token, name: `token:${name}` })),
    );
  }

  /** Tokens that cannot be read open nothing; the others go on. */
  private readable(read: () => KnownToken[]): KnownToken[] {
    try {
      return read();
    } catch (error) {
      this.logger.error(OrchestratorError.from(error).message, error);
      return [];
    }
  }
}

/** Changes whenever the file was replaced, written or given other rights. */
function fileState(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? '-' : `${stats.ino} ${stats.ctimeNs} ${stats.size}`;
}
