import * as vscode from 'vscode';

/** Shown only when it takes long enough to be noticed. */
const noticeMs = 300;

/**
 * Does something to each of several things at once. What takes a moment shows in a notification; cancelling it stops
 * the waiting for those that are under way and leaves the others alone.
 * @throws the first error, after every one has been tried.
 */
export async function forEachWithProgress<T>(
  title: string,
  items: readonly T[],
  nameOf: (item: T) => string,
  action: (item: T) => Promise<unknown>,
): Promise<void> {
  let isCancelled = false;
  const errors: unknown[] = [];
  let done = 0;
  let report: (item: T) => void = () => undefined;
  const queue = [...items];
  const work = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && !isCancelled; item = queue.shift()) {
      try {
        await action(item);
      } catch (error) {
        errors.push(error);
      }
      done += 1;
      report(item);
    }
  };
  const working = Promise.all([work(), work(), work(), work()]);
  const isQuick = await Promise.race([
    working.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), noticeMs)),
  ]);
  if (!isQuick) {
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      async (progress, token) => {
        const cancelled = new Promise<void>((resolve) => {
          token.onCancellationRequested(() => {
            isCancelled = true;
            resolve();
          });
        });
        report = (item) => {
          progress.report({
            message: `${nameOf(item)} (${done} of ${items.length})`,
            increment: 100 / items.length,
          });
        };
        await Promise.race([working, cancelled]);
      },
    );
  }
  if (errors.length > 0) throw errors[0];
}

/** Tells how far it is: what is being done, and which share of the whole has been done by now, 0 to 1. */
export type ReportProgress = (message: string, share?: number) => void;

/** Does something that can be cancelled. It shows in a notification once it takes long enough to be noticed. */
export async function withLateProgress<T>(
  title: string,
  work: (report: ReportProgress, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  let last: { readonly message: string; readonly share: number } = { message: '', share: 0 };
  let draw: (message: string, increment: number) => void = () => undefined;
  const working = work((message, share = last.share) => {
    draw(message, Math.max(0, share - last.share) * 100);
    last = { message, share: Math.max(share, last.share) };
  }, abort.signal);
  const settled = working.then(
    () => true,
    () => true,
  );
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), noticeMs));
  if (!(await Promise.race([settled, late]))) {
    await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      async (progress, token) => {
        token.onCancellationRequested(() => abort.abort());
        draw = (message, increment) => progress.report({ message, increment });
        draw(last.message, last.share * 100);
        await settled;
      },
    );
  }
  return await working;
}
