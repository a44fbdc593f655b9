/**
 * Waits for `work`, which ends when `stop` aborts; Ctrl-C and SIGTERM abort it. For commands that look on: they leave,
 * and what they looked at goes on.
 */
export async function untilStopped<T>(stop: AbortController, work: Promise<T>): Promise<T> {
  const onSignal = (): void => stop.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await work;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
