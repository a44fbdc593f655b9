import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RunBackend } from '../../clients/runStream/runBackend.ts';
import { settingIds } from '../contributions/ids.ts';
import { readSetting } from '../ui/settings.ts';
import { type BackendProfile, readProfiles } from './backendProfiles.ts';

/** Servers of `/orchestrate/stream` that runs can be sent to: profiles in the settings, secrets in the secret storage. */
export class RunBackends implements Disposable {
  private readonly secrets: vscode.SecretStorage;
  private readonly logger: Logger;
  private readonly changed = new Emitter<void>();
  private readonly subscription: vscode.Disposable;

  /** The profiles are others now. */
  readonly onDidChange = this.changed.event;

  constructor(secrets: vscode.SecretStorage, logger: Logger) {
    this.secrets = secrets;
    this.logger = logger;
    this.subscription = vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration(settingIds.runBackends)) this.changed.fire();
    });
  }

  /** What is wrong with the others stands in the log. */
  get profiles(): readonly BackendProfile[] {
    const { profiles, problems } = readProfiles(readSetting(settingIds.runBackends));
    for (const problem of problems) this.logger.warn(problem);
    return profiles;
  }

  /** Error: `invalid_request` where there is none of this name. */
  check(name: string): void {
    this.get(name);
  }

  /** As runs are sent to it, with its secrets. Errors: `invalid_request`, `unauthenticated` where a secret is missing. */
  async open(name: string): Promise<RunBackend> {
    const profile = this.get(name);
    const headers: Record<string, string> = { ...profile.headers };
    for (const header of profile.secretHeaders) {
      const value = await this.secrets.get(secretKey(profile, header));
      if (value === undefined) {
        throw new OrchestratorError(
          'UNAUTHENTICATED',
          'unauthenticated',
          `The value of ${header} for the run backend "${name}" is not known here. Add the backend again to enter it.`,
        );
      }
      headers[header] = value;
    }
    return { baseUrl: profile.url, headers };
  }

  /** Over one of the same name. @param secrets by header, those of `secretHeaders` */
  async add(profile: BackendProfile, secrets: Readonly<Record<string, string>>): Promise<void> {
    for (const [header, value] of Object.entries(secrets)) {
      await this.secrets.store(secretKey(profile, header), value);
    }
    const { name, url, headers, secretHeaders } = profile;
    const entry = {
      name,
      url,
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
      ...(secretHeaders.length === 0 ? {} : { secretHeaders }),
    };
    await this.write([...this.entriesWithout(name), entry]);
  }

  async remove(profile: BackendProfile): Promise<void> {
    for (const header of profile.secretHeaders) await this.secrets.delete(secretKey(profile, header));
    await this.write(this.entriesWithout(profile.name));
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  private get(name: string): BackendProfile {
    const profile = this.profiles.find((candidate) => candidate.name === name);
    if (profile !== undefined) return profile;
    throw new OrchestratorError(
      'NOT_FOUND',
      'invalid_request',
      `There is no run backend "${name}" in the settings. Add it by "Add Run Backend…".`,
    );
  }

  /** As they stand in the settings: what makes no sense to us is not ours to throw away. */
  private entriesWithout(name: string): readonly object[] {
    return readSetting(settingIds.runBackends).filter(
      (entry) => readProfiles([entry]).profiles[0]?.name !== name,
    );
  }

  private async write(entries: readonly object[]): Promise<void> {
    const { Global } = vscode.ConfigurationTarget;
    await vscode.workspace.getConfiguration().update(settingIds.runBackends, entries, Global);
  }
}

/** With its origin: who changes the address of a profile does not send its secret elsewhere. */
function secretKey({ name, url }: BackendProfile, header: string): string {
  return `orchestrator.backend:${JSON.stringify([name, new URL(url).origin, header.toLowerCase()])}`;
}
