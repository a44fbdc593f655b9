import { isAbsolute } from 'node:path';
import type * as vscode from 'vscode';
import { z } from 'zod/mini';
import { Emitter } from '../../base/emitter.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import { findLocalToken } from './remoteTokens.ts';
import type { RowTree } from '../views/rows.ts';
import { type RemoteAddress, RemotePlace } from './remotePlace.ts';

export interface RemotePlacesOptions {
  readonly context: vscode.ExtensionContext;
  readonly logger: Logger;
  readonly home: string;
  readonly isTreeVisible: () => boolean;
}

const memoryKey = 'orchestrator.remotes';
const remembered = z.array(z.object({ name: z.string(), address: z.string() }));

/** The other orchestrators that this window is connected to. They are remembered with the workspace. */
export class RemotePlaces implements Disposable {
  private readonly options: RemotePlacesOptions;
  private readonly changed = new Emitter<void>();
  private readonly listChanged = new Emitter<void>();
  private places: RemotePlace[] = [];

  /** What their rows show. */
  readonly onDidChange = this.changed.event;
  /** One came or went, or is connected or no longer. */
  readonly onDidChangeConnections = this.listChanged.event;

  constructor(options: RemotePlacesOptions) {
    this.options = options;
  }

  get all(): readonly RemotePlace[] {
    return this.places;
  }

  /** The one that has the session, terminal or run, or is at this address. */
  of(id: string): RemotePlace | undefined {
    return this.places.find((place) => place.has(id));
  }

  rows(): RowTree[] {
    return this.places.map((place) => place.rows());
  }

  /** Those of before the reload. @returns those among them whose token is lost. */
  async restore(): Promise<RemoteAddress[]> {
    const parsed = remembered.safeParse(this.options.context.workspaceState.get(memoryKey));
    if (!parsed.success) return [];
    const lost: RemoteAddress[] = [];
    for (const entry of parsed.data) {
      if (this.places.some(({ address }) => address === entry.address)) continue;
      const { token } = await this.open(entry);
      if (token === undefined && !isAbsolute(entry.address)) lost.push(entry);
    }
    return lost;
  }

  /** Resolves once connected; what cannot be reached within 8 s, or is given up, is not remembered. */
  async connect(address: RemoteAddress, token?: string, signal?: AbortSignal): Promise<RemotePlace> {
    const known = this.places.find((place) => place.address === address.address);
    if (known !== undefined) return known;
    if (token !== undefined) await this.options.context.secrets.store(secretKey(address.address), token);
    const { place } = await this.open(address);
    try {
      await place.whenConnected(8_000, signal);
    } catch (error) {
      await this.disconnect(place);
      throw error;
    }
    await this.remember();
    return place;
  }

  /** As `connect`, with another token for what is known. */
  async reconnect(address: RemoteAddress, token: string): Promise<RemotePlace> {
    const known = this.places.find((place) => place.address === address.address);
    if (known !== undefined) await this.disconnect(known);
    return await this.connect(address, token);
  }

  /** What runs there goes on. */
  async disconnect(place: RemotePlace): Promise<void> {
    this.places = this.places.filter((candidate) => candidate !== place);
    place.dispose();
    this.changed.fire();
    this.listChanged.fire();
    await this.options.context.secrets.delete(secretKey(place.address));
    await this.remember();
  }

  dispose(): void {
    for (const place of this.places) place.dispose();
    this.places = [];
    this.changed.dispose();
    this.listChanged.dispose();
  }

  private async open({
    name,
    address,
  }: RemoteAddress): Promise<{ readonly place: RemotePlace; readonly token: string | undefined }> {
    const { context, logger, home, isTreeVisible } = this.options;
    const token = (await context.secrets.get(secretKey(address))) ?? (await findLocalToken(address));
    // Only who connects to another orchestrator waits for gRPC to be loaded.
    const { RemoteOrchestrator } = await import('../../clients/orchestrator/remoteOrchestrator.ts');
    const config = token === undefined ? {} : { token };
    const orchestrator = new RemoteOrchestrator({ address, config, logger });
    const place = new RemotePlace({ name, address, orchestrator, logger, home, isTreeVisible });
    place.onDidChange(() => this.changed.fire());
    orchestrator.onDidChangeConnection(() => this.listChanged.fire());
    this.places.push(place);
    this.changed.fire();
    this.listChanged.fire();
    return { place, token };
  }

  private async remember(): Promise<void> {
    const entries: RemoteAddress[] = this.places.map(({ name, address }) => ({ name, address }));
    await this.options.context.workspaceState.update(memoryKey, entries);
  }
}

function secretKey(address: string): string {
  return `orchestrator.token:${address}`;
}
