import type { SettingId } from './ids.ts';

/** JSON schema of one setting, as far as we use it. */
export interface SettingSchema {
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  readonly default: string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>;
  /** Of an array. */
  readonly items?: { readonly type: 'string'; readonly enum?: readonly string[] };
  readonly scope: 'window' | 'resource' | 'machine' | 'machine-overridable' | 'application';
  readonly order: number;
  readonly markdownDescription: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly enumItemLabels?: readonly string[];
  readonly markdownEnumDescriptions?: readonly string[];
}

export type SettingGroup = Readonly<Partial<Record<SettingId, SettingSchema>>>;
