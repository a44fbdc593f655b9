/** How a WebSocket of the daemon begins and ends: contract 002, sections 5 and 8, and what is ours. */

/** What a client may offer as subprotocol; one without any gets JSON. */
export const jsonProtocol = 'orchestrator.json.v1';
/** The same frames as CBOR (RFC 8949), one a binary message. */
export const cborProtocol = 'orchestrator.cbor.v1';
/** The bytes of a gRPC connection: every service of the gRPC door. */
export const grpcProtocol = 'orchestrator.grpc.v1';
/** A browser cannot set headers: `new WebSocket(url, ['orchestrator.json.v1', 'orchestrator.token.TOKEN'])`. */
export const tokenProtocolPrefix = 'orchestrator.token.';

/** How long a client without a token may take to send `auth`, in milliseconds. */
export const authLimitMs = 5_000;

/** Close codes of ours besides those of RFC 6455. */
export const closeCode = {
  /** The token is wrong, or a JWT has expired while connected. */
  unauthorized: 4001,
  /** No `auth` came in time. */
  authTimeout: 4002,
  /** Too much at a time, over a limit of this client. */
  rateLimited: 4004,
  /** It reads too slowly: connect again and `resume`; nothing is lost. */
  tooSlow: 4008,
  /** RFC 6455: the server goes away (stop, restart). */
  goingAway: 1001,
} as const;

/** What a token allows, each with those before it: to look, to start and stop things, to change the daemon itself. */
export const scopes = ['read', 'drive', 'admin'] as const;
export type Scope = (typeof scopes)[number];
