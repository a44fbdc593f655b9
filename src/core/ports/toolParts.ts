import type { Disposable } from '../../base/disposable.ts';
import type { Event } from '../../base/emitter.ts';
import type { BuiltInTools, SessionFiles } from '../tools/builtInTools.ts';
import type { ToolConstraints, ToolRefusal } from '../tools/tool.ts';
import type { OwnTool } from '../tools/toolNames.ts';
import type { HttpToolServer, ToolSecrets, ToolServer } from '../tools/toolServer.ts';
import type { ToolSet } from '../tools/toolSet.ts';

/** What the core needs to know and reach tools. Disposed by whoever made it, after the core was closed. */
export interface ToolParts {
  readonly servers: ToolServers;
  readonly connector: ToolConnector;
  readonly signIn: ToolSignIn;
  /** Files below a directory: absolute. */
  readonly filesOf: (directory: string) => SessionFiles;
}

/** The MCP servers that are configured, wherever that is. */
export interface ToolServers extends Disposable {
  readonly onDidChange: Event<void>;
  /** As configured now, by name. Servers that may not be started are not among them. */
  read(): Promise<ConfiguredServers>;
  /** Values that the servers only name. What has no value is missing. */
  secrets(servers: readonly ToolServer[]): Promise<ToolSecrets>;
}

export interface ConfiguredServers {
  readonly servers: readonly ToolServer[];
  /** Of what is configured and cannot be used, for a person. */
  readonly problems: readonly ServerProblem[];
}

export interface ServerProblem {
  /** The server's name, or the file's. */
  readonly name: string;
  readonly problem: string;
}

export interface ToolConnector {
  /** Starts or reaches a server, asks for its tools, and ends it. Never throws for what the server does. */
  probe(
    server: ToolServer,
    secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ServerProbe>;
  open(options: {
    readonly servers: readonly ToolServer[];
    readonly secrets: ToolSecrets;
    readonly constraints: ToolConstraints;
    readonly builtIns: BuiltInTools;
    readonly toolsAllowed: readonly string[];
    /** Absolute. */
    readonly cwd: string;
    readonly signal: AbortSignal;
  }): Promise<ToolSet>;
}

export type ServerProbe =
  | { readonly kind: 'ready'; readonly tools: readonly OwnTool[]; readonly problem: string | undefined }
  | { readonly kind: 'failed'; readonly reason: ToolRefusal; readonly problem: string };

/** Signing in to servers by OAuth (the MCP specification's authorization). Tokens never leave it but by `token`. */
export interface ToolSignIn {
  /**
   * Begins: finds the server's authorization server, registers with it where needed, and makes the page's address.
   * Errors: `sign_in_failed`; `invalid_request` where the server knows no signing in.
   * @param returnTo where the browser goes in the end; checked by the caller.
   */
  start(
    server: HttpToolServer,
    callbackUrl: string,
    returnTo: SignInReturn,
  ): Promise<{ readonly url: string }>;
  /**
   * What the authorization server sends the browser back with. Each state can be used once, within ten minutes.
   * Never throws for what comes back: the outcome says where the browser goes.
   */
  finish(answer: SignInAnswer): Promise<SignInOutcome>;
  /** Whether there is a token for it, valid or to be renewed. */
  isSignedIn(server: HttpToolServer): Promise<boolean>;
  /** A token that is good for some minutes, renewed where it must be; undefined where it wants to be signed in to. */
  token(server: HttpToolServer): Promise<string | undefined>;
  /** Forgets tokens and registration. @returns whether there was anything. */
  signOut(name: string): Promise<boolean>;
}

export interface SignInReturn {
  readonly success: string | undefined;
  readonly error: string | undefined;
}

export interface SignInAnswer {
  /** As the address has it: it must be that of the state. */
  readonly server: string;
  readonly state: string;
  readonly code: string | undefined;
  /** RFC 9207. */
  readonly issuer: string | undefined;
  readonly error: string | undefined;
}

export interface SignInOutcome {
  readonly isSignedIn: boolean;
  /** For a person, where it is not. */
  readonly problem: string | undefined;
  readonly returnTo: string | undefined;
}
