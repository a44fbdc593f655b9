import { readFileSync } from 'node:fs';
import { invalidRequest } from '../core/text.ts';
import type { JwtOptions } from '../servers/access/jwt.ts';
import type { HttpServerOptions } from '../servers/http/httpServer.ts';
import { addressOf } from './address.ts';
import { readTls } from './tlsFiles.ts';

export interface HttpFlags {
  /** An address, or true for the default one, which missing means too; false keeps the door closed. */
  readonly http?: string | boolean;
  readonly httpTlsCert?: string;
  readonly httpTlsKey?: string;
  readonly httpAllowedHost?: readonly string[];
  readonly httpAllowedOrigin?: readonly string[];
  readonly httpAllowQueryToken?: boolean;
  readonly httpJwtSecret?: string;
  readonly httpJwtKey?: string;
  readonly httpJwtIssuer?: string;
  readonly httpJwtAudience?: string;
}

export type HttpSettings = Pick<
  HttpServerOptions,
  'host' | 'port' | 'tls' | 'allowedHosts' | 'allowedOrigins' | 'allowsQueryToken'
> & {
  readonly jwt: JwtOptions | undefined;
};

/** What the flags say; undefined where the door stays closed. Error: `invalid_request`. */
export function httpSettings(flags: HttpFlags): HttpSettings | undefined {
  const { http = true, ...others } = flags;
  if (http === false) {
    const isAlone = Object.keys(others).some((flag) => /^http[A-Z]/.test(flag));
    if (isAlone)
      throw invalidRequest('The flags --http-… mean nothing with --no-http, which keeps the door closed.');
    return undefined;
  }
  return {
    ...placeOf(http),
    tls: readTls('--http-tls', flags.httpTlsCert, flags.httpTlsKey),
    allowedHosts: flags.httpAllowedHost,
    allowedOrigins: flags.httpAllowedOrigin,
    allowsQueryToken: flags.httpAllowQueryToken,
    jwt: jwtOf(flags),
  };
}

function placeOf(http: string | true): Pick<HttpSettings, 'host' | 'port'> {
  if (http === true) return {};
  return addressOf(/^\d+$/.test(http) ? `127.0.0.1:${http}` : http, '--http');
}

function jwtOf({
  httpJwtSecret,
  httpJwtKey,
  httpJwtIssuer,
  httpJwtAudience,
}: HttpFlags): JwtOptions | undefined {
  if (httpJwtSecret === undefined && httpJwtKey === undefined) {
    if (httpJwtIssuer === undefined && httpJwtAudience === undefined) return undefined;
    throw invalidRequest(
      '--http-jwt-issuer and --http-jwt-audience need --http-jwt-secret or --http-jwt-key.',
    );
  }
  return {
    secret: httpJwtSecret === undefined ? undefined : textOf(httpJwtSecret).trim(),
    publicKeys: httpJwtKey === undefined ? undefined : textOf(httpJwtKey),
    issuer: httpJwtIssuer,
    audience: httpJwtAudience,
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw invalidRequest(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
