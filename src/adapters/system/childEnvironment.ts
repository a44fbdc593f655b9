import type { Environment } from '../../core/ports/environment.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface ChildEnvironmentOptions {
  readonly inherited: Variables;
  /** Over it; null removes a variable. */
  readonly extra?: Readonly<Record<string, string | null>> | undefined;
  /** Only what programs cannot do without is inherited. */
  readonly isClean?: boolean | undefined;
  readonly version: string;
  readonly platform: Environment['platform'];
}

/**
 * What belongs to the editor, to Electron, to the terminal that we were started from, or to us, and would make a child
 * take itself for a part of it. The first five after VS Code's own `sanitizeProcessEnvironment`.
 */
const foreignNames: readonly RegExp[] = [
  /^VSCODE_/,
  /^ELECTRON_/,
  /^SNAP(?:_|$)/,
  /^GDK_PIXBUF_/,
  /^CHROME_/,
  /^APPLICATION_INSIGHTS_NO_DIAGNOSTIC_CHANNEL$/,
  /^NODE_(?:CHANNEL_FD|CHANNEL_SERIALIZATION_MODE|UNIQUE_ID)$/,
  /^ORCHESTRATOR_(?:ID|TOKEN)$/,
  /^(?:TERM_PROGRAM|TERM_PROGRAM_VERSION|TERM_SESSION_ID|TERMINFO|LINES|COLUMNS|VTE_VERSION|WINDOWID)$/,
  /^(?:TMUX|TMUX_PANE|STY|WT_SESSION|WT_PROFILE_ID|INSIDE_EMACS|KONSOLE_VERSION|ZELLIJ)$/,
  /^(?:KITTY|ITERM|LC_TERMINAL|WEZTERM|ALACRITTY|GHOSTTY)(?:_|$)/,
];

/** Set by others too, so their value tells: the editor's helpers for Git and its debugger's preload. */
const foreignValues: Readonly<Record<string, RegExp>> = {
  GIT_ASKPASS: /[\\/]extensions[\\/]git[\\/]|vscode/i,
  SSH_ASKPASS: /[\\/]extensions[\\/]git[\\/]|vscode/i,
  GIT_EDITOR: /[\\/]extensions[\\/]git[\\/]|vscode/i,
  NODE_OPTIONS: /[\\/](?:ms-vscode\.)?js-debug[\\/]|vscode/i,
  BROWSER: /[\\/]bin[\\/]helpers[\\/]browser\.sh$/i,
};

/** What finds programs, homes, languages and temporary folders; on Windows also what the system itself looks for. */
const vitalNames =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR|(?:PATHEXT|SystemRoot|SystemDrive|ComSpec|TEMP|TMP|windir|USERNAME|USERPROFILE|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|ProgramData|ProgramFiles(?:\(x86\))?))$/i;

/** A variable that the editor's launcher changed is kept by it under this ending. */
const originalEnding = '_VSCODE_SNAP_ORIG';

/** The environment of a new child; see the port. */
export function childEnvironment(options: ChildEnvironmentOptions): Record<string, string> {
  const { inherited, extra = {}, isClean = false, version, platform } = options;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined && !isForeign(name, value)) env[name] = value;
  }
  restoreOriginals(inherited, env);
  if (isClean) for (const name of Object.keys(env)) if (!vitalNames.test(name)) delete env[name];
  // A terminal of ours speaks UTF-8; without any locale, programs would not.
  if (platform !== 'win32' && !['LC_ALL', 'LC_CTYPE', 'LANG'].some((name) => (env[name] ?? '') !== '')) {
    env['LANG'] = platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8';
  }
  env['TERM'] = 'xterm-256color';
  env['COLORTERM'] = 'truecolor';
  env['TERM_PROGRAM'] = 'orchestration-workbench';
  env['TERM_PROGRAM_VERSION'] = version;
  for (const [name, value] of Object.entries(extra)) {
    for (const same of namesOf(env, name, platform)) delete env[same];
    if (value !== null) env[name] = value;
  }
  return env;
}

/** The value of a variable, by the platform's own idea of the same name. */
export function variable(
  env: Variables,
  name: string,
  platform: Environment['platform'],
): string | undefined {
  const [found] = namesOf(env, name, platform);
  return found === undefined ? undefined : env[found];
}

function isForeign(name: string, value: string): boolean {
  if (name.endsWith(originalEnding)) return true;
  return foreignNames.some((pattern) => pattern.test(name)) || foreignValues[name]?.test(value) === true;
}

/** What the editor's launchers overwrote gets its former value back; an empty one means that there was none. */
function restoreOriginals(inherited: Variables, env: Record<string, string>): void {
  for (const [name, value] of Object.entries(inherited)) {
    if (!name.endsWith(originalEnding)) continue;
    const original = name.slice(0, -originalEnding.length);
    if (value === undefined || value === '') delete env[original];
    else env[original] = value;
  }
  const desktop = inherited['ORIGINAL_XDG_CURRENT_DESKTOP'];
  if (desktop === undefined) return;
  env['XDG_CURRENT_DESKTOP'] = desktop;
  delete env['ORIGINAL_XDG_CURRENT_DESKTOP'];
}

/** Windows does not tell names apart by case. */
function namesOf(env: Variables, name: string, platform: Environment['platform']): string[] {
  if (platform !== 'win32') return Object.hasOwn(env, name) ? [name] : [];
  const folded = name.toUpperCase();
  return Object.keys(env).filter((candidate) => candidate.toUpperCase() === folded);
}
