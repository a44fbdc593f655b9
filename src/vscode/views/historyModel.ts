import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import { isActive } from './describe.ts';
import type { HistoryRowsInput } from './rows.ts';

const pageSize = 50;
const changeIntervalMs = 250;

/** The ended runs, newest first: read from the store page by page, as far as somebody wanted to see. */
export class HistoryModel implements Disposable {
  private readonly orchestrator: Orchestrator;
  private readonly resources = new DisposableStore();
  private readonly changed = new Emitter<void>();
  private timer: NodeJS.Timeout | undefined;
  private pages = 1;
  private _search = '';

  readonly onDidChange = this.changed.event;

  constructor(orchestrator: Orchestrator) {
    this.orchestrator = orchestrator;
    this.resources.add(
      orchestrator.runs.onDidChange((run) => {
        if (!isActive(run)) this.scheduleChange();
      }),
    );
    this.resources.add(
      orchestrator.events.onDidAppend(({ type }) => {
        if (type === 'run.removed' || type === 'session.updated') this.scheduleChange();
      }),
    );
    this.resources.add(toDisposable(() => clearTimeout(this.timer)));
  }

  get search(): string {
    return this._search;
  }

  /** Shows only runs whose task contains the text; empty shows all. */
  setSearch(text: string): void {
    this._search = text.trim();
    this.pages = 1;
    this.changed.fire();
  }

  showMore(): void {
    this.pages += 1;
    this.changed.fire();
  }

  rowsInput(): HistoryRowsInput {
    const { runs, hasMore } = this.read();
    const names = this.orchestrator.sessions
      .list({ includeClosed: true })
      .map(({ id, name }) => [id, name] as const);
    return { runs, hasMore, sessionNames: new Map(names), now: Date.now() };
  }

  dispose(): void {
    this.resources.dispose();
    this.changed.dispose();
  }

  private read(): { readonly runs: Run[]; readonly hasMore: boolean } {
    const wanted = this.pages * pageSize;
    const runs: Run[] = [];
    let before: string | undefined;
    // Active runs are in the same list: a page may hold fewer ended ones than were asked for.
    for (;;) {
      const page = this.orchestrator.runs.list({
        limit: pageSize + 1,
        ...(before === undefined ? {} : { before }),
        ...(this._search === '' ? {} : { search: this._search }),
      });
      runs.push(...page.filter((run) => !isActive(run)));
      before = page.at(-1)?.id;
      const isLastPage = page.length <= pageSize;
      if (runs.length > wanted || isLastPage) break;
    }
    return { runs: runs.slice(0, wanted), hasMore: runs.length > wanted };
  }

  private scheduleChange(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed.fire();
    }, changeIntervalMs);
  }
}
