import { Emitter } from '../../base/emitter.ts';
import type { ConfiguredServers, ServerProblem, ToolServers } from '../../core/ports/toolParts.ts';
import {
  type ConfigInput,
  inputsOf,
  type ParsedServers,
  type ServerEntry,
  valuesOf,
} from '../../core/tools/serverConfig.ts';
import type { ToolSecrets, ToolServer } from '../../core/tools/toolServer.ts';

/** One place where servers are configured: a setting or a file. */
export interface ServerSource {
  /** For a person: `.vscode/mcp.json in project`. */
  readonly label: string;
  /** Whoever opens the workspace gets it: each of its servers is asked about before it is started. */
  readonly isOfWorkspace: boolean;
  readonly servers: ParsedServers;
  readonly inputs: readonly ConfigInput[];
}

export interface SourceHost {
  /** Of servers of the same name, that of the first source is used. */
  readSources(): Promise<readonly ServerSource[]>;
  /** What the person said of a server of the workspace, by its content; undefined where nothing was said yet. */
  decision(content: string): boolean | undefined;
  /** Asks, and keeps the answer; undefined where the question was put away. */
  askApproval(source: string, server: ToolServer, content: string): Promise<boolean | undefined>;
  /** The value of an input, as it was kept. */
  readInput(source: string, id: string): Promise<string | undefined>;
  /** Asks, and keeps the answer; undefined where the question was put away. */
  askInput(source: string, input: ConfigInput): Promise<string | undefined>;
}

interface Known {
  readonly entry: ServerEntry;
  readonly source: ServerSource;
}

/**
 * The servers of a window, from all its sources. Nobody waits for a person: a server that waits for an answer is a
 * problem until the answer is there, and each question is put once in the life of the window.
 */
export class ServerSources implements ToolServers {
  private readonly host: SourceHost;
  private readonly changed = new Emitter<void>();
  private readonly asked = new Set<string>();
  private known = new Map<string, Known>();
  private inputs = new Map<string, string>();

  readonly onDidChange = this.changed.event;

  constructor(host: SourceHost) {
    this.host = host;
  }

  async read(): Promise<ConfiguredServers> {
    const known = new Map<string, Known>();
    const inputs = new Map<string, string>();
    const problems: ServerProblem[] = [];
    for (const source of await this.host.readSources()) {
      problems.push(
        ...source.servers.problems.map(({ name, problem }) => ({
          name,
          problem: `${source.label}: ${problem}`,
        })),
      );
      for (const entry of source.servers.entries) {
        const { name } = entry.server;
        if (known.has(name)) continue;
        const waitsFor = this.isApproved(source, entry) ? undefined : 'waits until you have allowed it';
        if (waitsFor === undefined) known.set(name, { entry, source });
        else problems.push({ name, problem: `The server of ${source.label} ${waitsFor}.` });
      }
    }
    for (const { entry, source } of known.values()) {
      for (const id of inputsOf(entry)) {
        const value = await this.host.readInput(source.label, id);
        if (value !== undefined) inputs.set(inputKey(source, id), value);
        else {
          problems.push({ name: entry.server.name, problem: `It waits for the input "${id}".` });
          this.askForInput(source, id);
        }
      }
    }
    this.known = known;
    this.inputs = inputs;
    return { servers: [...known.values()].map(({ entry }) => entry.server), problems };
  }

  secrets(servers: readonly ToolServer[]): Promise<ToolSecrets> {
    const secrets: Record<string, Record<string, string>> = {};
    for (const { name } of servers) {
      const known = this.known.get(name);
      if (known === undefined) continue;
      const { entry, source } = known;
      const own = inputsOf(entry).flatMap((id): [string, string][] => {
        const value = this.inputs.get(inputKey(source, id));
        return value === undefined ? [] : [[id, value]];
      });
      secrets[name] = valuesOf(entry, new Map(own));
    }
    return Promise.resolve(secrets);
  }

  /** The sources say something else now. */
  invalidate(): void {
    this.changed.fire();
  }

  dispose(): void {
    this.changed.dispose();
  }

  private isApproved(source: ServerSource, entry: ServerEntry): boolean {
    if (!source.isOfWorkspace) return true;
    // Another command, or another variable, is another question.
    const content = JSON.stringify([entry.server, entry.values]);
    const decision = this.host.decision(content);
    if (decision === undefined)
      this.askOnce(content, () => this.host.askApproval(source.label, entry.server, content));
    return decision === true;
  }

  private askForInput(source: ServerSource, id: string): void {
    const input = source.inputs.find((candidate) => candidate.id === id) ?? {
      id,
      description: id,
      isPassword: true,
    };
    this.askOnce(inputKey(source, id), () => this.host.askInput(source.label, input));
  }

  private askOnce(key: string, ask: () => Promise<unknown>): void {
    if (this.asked.has(key)) return;
    this.asked.add(key);
    void ask().then((answer) => {
      if (answer !== undefined) this.changed.fire();
    });
  }
}

function inputKey({ label }: ServerSource, id: string): string {
  return `${label}\0${id}`;
}
