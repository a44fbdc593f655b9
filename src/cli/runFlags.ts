import type { BackendFlags } from './backendFlags.ts';
import type { ModelFlags, ModelSetupFlags } from './modelFlags.ts';

/** The flags of `run`. */
export interface RunFlags extends BackendFlags, ModelFlags, ModelSetupFlags {
  readonly engine?: string;
  readonly task?: string;
  readonly step?: readonly string[];
  readonly cwd?: string;
  readonly shell?: string;
  readonly name?: string;
  readonly timeout?: number;
  readonly raw?: boolean;
  readonly stdin?: boolean;
}
