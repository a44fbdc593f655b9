import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import type { errors as joseErrors, JWTPayload } from 'jose';
import * as z from 'zod/mini';
import { OrchestratorError } from '../../base/errors.ts';
import { invalidRequest } from '../../core/text.ts';
import { type Scope, scopes } from '../../protocol/daemon/handshake.ts';
import type { Caller } from './caller.ts';
import { refused } from './refusals.ts';

export interface JwtOptions {
  /** For HS256: 32 characters or more. */
  readonly secret?: string | undefined;
  /** For RS256, ES256 and EdDSA: PEM (a key or a certificate), a JWK or a JWKS. */
  readonly publicKeys?: string | undefined;
  /** Default: `wundr-orchestrator`. */
  readonly issuer?: string | undefined;
  /** Default: `wundr-daemon`. */
  readonly audience?: string | undefined;
}

export const defaultIssuer = 'wundr-orchestrator';
export const defaultAudience = 'wundr-daemon';
/** How far the clocks of two machines may be apart. */
const clockToleranceS = 5;
const secretMinimum = 32;
const rsaMinimumBits = 2_048;

/** Errors: `unauthenticated`, whose message is one of the contract's reasons. */
export type JwtVerifier = (token: string) => Promise<Caller>;

/** A key and the one algorithm that it is for: a token cannot choose. */
interface VerificationKey {
  readonly algorithm: string;
  readonly key: KeyObject;
  readonly id?: string | undefined;
}

const claims = z.object({
  sub: z.string().check(z.minLength(1), z.maxLength(200)),
  exp: z.number(),
  scope: z.optional(z.union([z.string(), z.array(z.string())])),
  scopes: z.optional(z.union([z.string(), z.array(z.string())])),
  role: z.optional(z.string()),
});

/** What the reference's roles may do here. */
const scopeOfRole: Readonly<Record<string, Scope>> = { admin: 'admin', user: 'drive', readonly: 'read' };

/**
 * Contract 002, section 5, with public keys besides. Undefined where neither a secret nor a key is given.
 * Error: `invalid_request` for a secret that is too short or a key that is none: never a door without a check.
 */
export function createJwtVerifier(options: JwtOptions): JwtVerifier | undefined {
  const keys = [...secretKey(options.secret), ...publicKeys(options.publicKeys)];
  if (keys.length === 0) return undefined;
  const { issuer = defaultIssuer, audience = defaultAudience } = options;
  return async (token) => {
    const { decodeProtectedHeader, errors, jwtVerify } = await import('jose');
    let header: { readonly alg?: string; readonly kid?: string };
    try {
      header = decodeProtectedHeader(token);
    } catch {
      throw refused('jwt_malformed');
    }
    const candidates = keys.filter(({ algorithm }) => algorithm === header.alg);
    if (candidates.length === 0) throw refused('jwt_algorithm_unsupported');
    const named = candidates.filter(
      ({ id }) => header.kid === undefined || id === undefined || id === header.kid,
    );
    let refusal = refused('jwt_signature_invalid');
    for (const { key, algorithm } of named) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [algorithm],
          issuer,
          audience,
          clockTolerance: clockToleranceS,
          requiredClaims: ['exp', 'sub'],
        });
        return callerOf(payload);
      } catch (error) {
        if (OrchestratorError.is(error)) throw error;
        refusal = refused(reasonOf(error, errors));
        // Another key may have made it; everything else is the same for all of them.
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refusal;
      }
    }
    throw refusal;
  };
}

function callerOf(payload: JWTPayload): Caller {
  const { success, data } = claims.safeParse(payload);
  if (!success) throw refused('jwt_payload_schema_invalid');
  const role = data.role === undefined ? undefined : scopeOfRole[data.role];
  const named = [data.scope, data.scopes].flatMap((words) =>
    typeof words === 'string' ? words.split(' ') : (words ?? []),
  );
  const highest = Math.max(0, ...[...named, role].map((word) => scopes.findIndex((scope) => scope === word)));
  return {
    name: `jwt:${data.sub}`,
    scopes: new Set(scopes.slice(0, highest + 1)),
    expiresAt: (data.exp + clockToleranceS) * 1_000,
  };
}

function reasonOf(error: unknown, errors: typeof joseErrors): string {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'jwt_signature_invalid';
  if (error instanceof errors.JWTExpired) return 'jwt_expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return 'jwt_issuer_mismatch';
    if (error.claim === 'aud') return 'jwt_audience_mismatch';
    return 'jwt_payload_schema_invalid';
  }
  return error instanceof errors.JWTInvalid ? 'jwt_payload_schema_invalid' : 'jwt_malformed';
}

function secretKey(secret: string | undefined): VerificationKey[] {
  if (secret === undefined) return [];
  if (secret.length < secretMinimum) {
    throw invalidRequest(
      `The secret for JWTs has ${secret.length} characters; it needs ${secretMinimum} or more.`,
    );
  }
  return [{ algorithm: 'HS256', key: createSecretKey(Buffer.from(secret)) }];
}

const webKeys = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.optional(z.string()) })) });

function publicKeys(text: string | undefined): VerificationKey[] {
  if (text === undefined) return [];
  try {
    if (!text.trimStart().startsWith('{')) return [verificationKey(createPublicKey(text))];
    const json: unknown = JSON.parse(text);
    const list = typeof json === 'object' && json !== null && 'keys' in json ? json : { keys: [json] };
    const { keys } = webKeys.parse(list);
    if (keys.length === 0) throw invalidRequest('The key set for JWTs is empty.');
    return keys.map(({ kid, ...key }) => verificationKey(createPublicKey({ key, format: 'jwk' }), kid));
  } catch (error) {
    if (OrchestratorError.is(error)) throw error;
    throw invalidRequest(
      `The public key for JWTs is neither PEM nor a JWK (set): ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function verificationKey(key: KeyObject, id?: string): VerificationKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= rsaMinimumBits)
    return { algorithm: 'RS256', key, id };
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return { algorithm: 'ES256', key, id };
  if (type === 'ed25519') return { algorithm: 'EdDSA', key, id };
  throw invalidRequest('A public key for JWTs is RSA of 2,048 bits or more, P-256 or Ed25519.');
}
