import type { Command } from 'commander';
import type { RunBackend } from '../clients/runStream/runBackend.ts';
import { invalidRequest } from '../core/text.ts';
import { collect } from './commandOptions.ts';

export interface BackendFlags {
  readonly backend?: string;
  readonly header?: readonly string[];
  readonly headerEnv?: readonly string[];
}

export function addBackendOptions(command: Command): void {
  command
    .option('--backend <url>', 'run it on the server of /orchestrate/stream at this address')
    .option(
      '--header <name: value>',
      'with --backend: sent with each request; give it several times',
      collect,
    )
    .option(
      '--header-env <name=variable>',
      'with --backend: a header whose value is in this variable of the environment',
      collect,
    );
}

/** Error: `invalid_request`, which names no value of a header. */
export function backendOf(
  { backend = '', header = [], headerEnv = [] }: BackendFlags,
  env: Readonly<Record<string, string | undefined>>,
): RunBackend {
  if (!URL.canParse(backend) || !/^https?:$/.test(new URL(backend).protocol)) {
    throw invalidRequest(`--backend is http(s)://HOST:PORT, not "${backend}".`);
  }
  const headers: Record<string, string> = {};
  const set = (name: string, value: string, flag: string): void => {
    try {
      new Headers([[name, value]]);
    } catch {
      throw invalidRequest(
        `${flag} gives ${JSON.stringify(name)} a value that no header can have, or is no name of one.`,
      );
    }
    headers[name] = value;
  };
  for (const text of header) {
    const colon = text.indexOf(':');
    if (colon < 1) throw invalidRequest("--header is 'Name: value'.");
    set(text.slice(0, colon).trim(), text.slice(colon + 1).trim(), '--header');
  }
  for (const text of headerEnv) {
    const [name = '', variable = ''] = text.split('=', 2).map((part) => part.trim());
    if (name === '' || variable === '') throw invalidRequest('--header-env is Name=VARIABLE.');
    const value = env[variable];
    if (value === undefined) throw invalidRequest(`The variable ${variable} of --header-env is not set.`);
    set(name, value, '--header-env');
  }
  return { baseUrl: backend, headers };
}
