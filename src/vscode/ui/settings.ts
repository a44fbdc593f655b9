import * as vscode from 'vscode';
import { type SettingId, settingIds, type SettingTypes } from '../contributions/ids.ts';
import { settingSchemas } from '../contributions/settings.ts';

/**
 * A setting's value. VS Code hands on whatever stands in settings.json, so what does not fit its schema counts as the
 * default.
 */
export function readSetting<K extends SettingId>(id: K): SettingTypes[K] {
  const value: unknown = vscode.workspace.getConfiguration().get(id);
  const schema = settingSchemas.flatMap((group) => group[id] ?? [])[0];
  if (schema === undefined) throw new Error(`the setting ${id} has no schema`);
  const isValid =
    schema.type === 'integer' || schema.type === 'number'
      ? typeof value === 'number' &&
        value >= (schema.minimum ?? -Infinity) &&
        value <= (schema.maximum ?? Infinity)
      : schema.type === 'array'
        ? Array.isArray(value) && value.every((item) => typeof item === (schema.items?.type ?? 'string'))
        : typeof value === schema.type &&
          (schema.enum === undefined || schema.enum.includes(value as string));
  return (isValid ? value : schema.default) as SettingTypes[K];
}

/** A setting as the person has it and as the workspace has it, each as it stands there: to be checked by who reads it. */
export function inspectSetting(id: SettingId): { readonly ofUser: unknown; readonly ofWorkspace: unknown } {
  const found = vscode.workspace.getConfiguration().inspect(id);
  // A default that is not ours comes from whoever set up the editor.
  return { ofUser: found?.globalValue ?? found?.defaultValue, ofWorkspace: found?.workspaceValue };
}

/** Settings that a person has changed, for diagnostics. */
export function changedSettings(): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const id of Object.values(settingIds)) {
    const value: unknown = vscode.workspace.getConfiguration().get(id);
    const fallback: unknown = vscode.workspace.getConfiguration().inspect(id)?.defaultValue;
    if (value === fallback) continue;
    // Whoever reads the diagnostics need not know of anybody's servers and headers.
    changed[id] = id === settingIds.runBackends ? 'changed' : value;
  }
  return changed;
}
