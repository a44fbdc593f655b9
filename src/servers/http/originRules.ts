import { OrchestratorError } from '../../base/errors.ts';

/** Who may ask, by what a browser tells and cannot be made to lie about. */
export interface OriginRules {
  /** Names without a port, as they stand in a URL: `localhost`, `[::1]`. */
  readonly hosts: ReadonlySet<string>;
  /** Whole origins, e.g. `http://localhost:3000`. */
  readonly origins: ReadonlySet<string>;
}

export interface RequestOrigin {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`: what a browser says where it sends no origin, as with images and links. */
  readonly fetchSite: string | undefined;
}

const loopbackHosts = ['127.0.0.1', 'localhost', '[::1]'];
const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * @param host where the server listens; it may be called by that name too, unless it stands for all addresses.
 * @param hosts further names, such as that of a proxy in front of it.
 */
export function originRules(
  host: string,
  hosts: readonly string[] = [],
  origins: readonly string[] = [],
): OriginRules {
  const own = wildcards.has(host) ? [] : [urlHost(host)];
  return {
    hosts: new Set([...loopbackHosts, ...own, ...hosts.map(urlHost)].map((name) => name.toLowerCase())),
    origins: new Set(origins.map((origin) => origin.toLowerCase())),
  };
}

/**
 * A name that is made to point here (DNS rebinding) comes with a foreign host; a page of somebody else's comes with its
 * origin, or as a cross-site fetch. Programs send neither.
 * @throws OrchestratorError `permission_denied`
 */
export function checkOrigin({ host, origin, fetchSite }: RequestOrigin, rules: OriginRules): void {
  const name = hostName(host);
  if (name === undefined || !rules.hosts.has(name)) {
    throw denied(`This server is not known as ${JSON.stringify(host ?? '')}.`);
  }
  if (origin !== undefined) {
    if (rules.origins.has(origin.toLowerCase())) return;
    throw denied(`Pages of ${JSON.stringify(origin)} have no access.`);
  }
  if (fetchSite === 'cross-site' || fetchSite === 'same-site')
    throw denied('Pages of others have no access.');
}

/**
 * CORS: what an answer says to the page that asked, which `checkOrigin` has let through. Its cookies mean nothing here,
 * but a page that sends them along with its token (seed 004) is only given answers that allow it.
 */
export function pageHeaders(origin: string | undefined): Readonly<Record<string, string>> {
  if (origin === undefined) return {};
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': 'Location, Retry-After, X-Run-Id',
    Vary: 'Origin',
  };
}

/** Brackets around an IPv6 address, as in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** The port is that of whoever forwards to us, and says nothing. */
function hostName(host: string | undefined): string | undefined {
  return /^(\[[\da-f:.]+\]|[^:[\]@/\s]+)(?::\d{1,5})?$/i.exec(host ?? '')?.[1]?.toLowerCase();
}

function denied(message: string): OrchestratorError {
  return new OrchestratorError('PERMISSION_DENIED', 'permission_denied', message);
}
