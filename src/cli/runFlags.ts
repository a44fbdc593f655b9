/** What `run` takes, whatever carries it out. */
export interface RunFlags {
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
