/** The part of a WebSocket that is used: a browser's, Node's own and that of `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  /** The subprotocol that the server chose; empty for none. */
  readonly protocol: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'error', listener: (event: unknown) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
}

/**
 * Makes a WebSocket that connects. `headers` is empty unless the token goes by header.
 * With `ws`: `(url, protocols, headers) => new WebSocket(url, [...protocols], { headers })`.
 */
export type CreateWebSocket = (
  url: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
) => WebSocketLike;

type GlobalWebSocket = new (
  url: string,
  more?: string[] | { protocols: string[]; headers: Record<string, string> },
) => WebSocketLike;

/** The environment's own. Node (since 22) takes headers in a second argument that browsers do not know. */
export const createGlobalWebSocket: CreateWebSocket = (url, protocols, headers) => {
  const constructor = Reflect.get(globalThis, 'WebSocket') as GlobalWebSocket | undefined;
  if (constructor === undefined) {
    throw new Error('This environment has no WebSocket: hand one over by the option createWebSocket.');
  }
  if (Object.keys(headers).length > 0) {
    return new constructor(url, { protocols: [...protocols], headers: { ...headers } });
  }
  return protocols.length > 0 ? new constructor(url, [...protocols]) : new constructor(url);
};
