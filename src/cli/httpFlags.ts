import { invalidRequest } from '../core/text.ts';
import type { HttpServerOptions } from '../servers/http/httpServer.ts';
import { addressOf } from './address.ts';
import { readTls } from './tlsFiles.ts';

export interface HttpFlags {
  /** An address, or true for the default one. */
  readonly http?: string | true;
  readonly httpTlsCert?: string;
  readonly httpTlsKey?: string;
  readonly httpAllowedHost?: readonly string[];
  readonly httpAllowedOrigin?: readonly string[];
}

export type HttpSettings = Pick<
  HttpServerOptions,
  'host' | 'port' | 'tls' | 'allowedHosts' | 'allowedOrigins'
>;

/** What the flags say; undefined where the door stays closed. Error: `invalid_request`. */
export function httpSettings(flags: HttpFlags): HttpSettings | undefined {
  const { http, httpTlsCert, httpTlsKey, httpAllowedHost, httpAllowedOrigin } = flags;
  if (http === undefined) {
    const isAlone = [httpTlsCert, httpTlsKey, httpAllowedHost, httpAllowedOrigin].some(
      (flag) => flag !== undefined,
    );
    if (isAlone) throw invalidRequest('The flags --http-… need --http, which opens the door.');
    return undefined;
  }
  return {
    ...placeOf(http),
    tls: readTls('--http-tls', httpTlsCert, httpTlsKey),
    allowedHosts: httpAllowedHost,
    allowedOrigins: httpAllowedOrigin,
  };
}

function placeOf(http: string | true): Pick<HttpSettings, 'host' | 'port'> {
  if (http === true) return {};
  return addressOf(/^\d+$/.test(http) ? `127.0.0.1:${http}` : http, '--http');
}
