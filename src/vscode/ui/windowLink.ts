import * as vscode from 'vscode';
import { contextKeys } from '../contributions/ids.ts';

/** Sets a context key for `when` clauses; settles when the window has it. */
export async function setContext(key: string, value: unknown): Promise<void> {
  await vscode.commands.executeCommand('setContext', key, value);
}

let beat = 0;

/**
 * A round trip to the window behind this extension host: the cheapest that there is. It settles after everything that
 * was sent before has arrived, and never when the window is gone.
 */
export async function reachWindow(): Promise<void> {
  beat += 1;
  await setContext(contextKeys.heartbeat, beat);
}
