/** Where secrets lie between two starts: the editor's own, or a file that only this user can read. */
export interface SecretStore {
  get(key: string): Promise<string | undefined>;
  /** Error: `disk_full`, `state_dir_unsafe`. */
  set(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
}
