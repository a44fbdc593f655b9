/** What the core asks of the machine it runs on. */
export interface Environment {
  /** Whether the directory exists and can be entered. */
  isDirectory(path: string): Promise<boolean>;
  /** The path without links on the way; undefined where there is nothing. */
  realPath(path: string): Promise<string | undefined>;
  /** The absolute path of a program, looked up on the PATH of `env` where it has no slash; undefined if there is none. */
  findProgram(file: string, env: Readonly<Record<string, string>>, cwd: string): Promise<string | undefined>;
  /** The user's shell: $SHELL, else the system's default. */
  defaultShell(): string;
  /** Where things start when nothing says otherwise: the folder that is open, else the user's home. */
  defaultDirectory(): string;
  /**
   * The environment of a new child: the user's, without what belongs to the editor or to Electron, with TERM,
   * COLORTERM and our own marks set, and with `extra` over it (null removes a variable). A clean one has of the user's
   * only what programs cannot do without; of a whole one `extra` stands for the user's.
   */
  childEnvironment(
    extra?: Readonly<Record<string, string | null>>,
    options?: { readonly isClean?: boolean | undefined; readonly isWhole?: boolean | undefined },
  ): Record<string, string>;
  readonly platform: 'linux' | 'darwin' | 'win32';
}
