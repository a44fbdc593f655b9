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
