export interface ShellFile {
  /** A plain name, without folders. */
  readonly name: string;
  readonly text: string;
}

/** Where the start-up files lie that make interactive shells print marks (terminals/shellIntegration.ts). */
export interface ShellFiles {
  /** Puts the files into a private folder of ours, unless they are there. @returns the folder's absolute path. */
  ensure(files: readonly ShellFile[]): Promise<string>;
}
