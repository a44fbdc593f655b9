/**
 * The title of one tab, which has two writers: we name what runs in it, and a person may rename it. What VS Code shows
 * lags behind what we gave it, so a title that we never gave is a person's.
 */
export class TabTitle {
  /** Given and not seen yet, oldest first. */
  private given: string[];
  private shown: string | undefined;
  private _current: string;

  constructor(title: string) {
    this._current = title;
    this.given = [title];
  }

  /** What the tab is called, by whoever named it last. */
  get current(): string {
    return this._current;
  }

  /** Notes that the tab is to be called so. @returns whether it has to be told. */
  give(title: string): boolean {
    if (title === this._current) return false;
    this._current = title;
    this.given.push(title);
    return true;
  }

  /** Notes what the tab shows. @returns whether a person has named it so. */
  isRenamedTo(shown: string): boolean {
    if (shown === this.shown) return false;
    this.shown = shown;
    const index = this.given.indexOf(shown);
    if (index !== -1) {
      this.given = this.given.slice(index + 1);
      return false;
    }
    this.given = [];
    this._current = shown;
    return true;
  }

  /**
   * Whether the tab still shows what came before, at the last look. VS Code sets the name that a tab was made with once
   * more when its terminal starts: what it was told just before that is lost, and has to be told again.
   */
  get isLate(): boolean {
    return this.shown !== undefined && this.shown !== this._current && this.given.length > 0;
  }
}
