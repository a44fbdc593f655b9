/** Ownership of resources: whoever creates one registers its disposal in the same statement. */

export interface Disposable {
  dispose(): void;
}

export function toDisposable(dispose: () => void): Disposable {
  let isDisposed = false;
  return {
    dispose() {
      if (isDisposed) return;
      isDisposed = true;
      dispose();
    },
  };
}

/** Disposes every item, the newest first, even if one of them throws; then throws the first of those errors. */
export function disposeAll(items: Iterable<Disposable>): void {
  let firstError: unknown;
  let hasError = false;
  for (const item of [...items].reverse()) {
    try {
      item.dispose();
    } catch (error) {
      if (!hasError) firstError = error;
      hasError = true;
    }
  }
  if (hasError) throw firstError;
}

/** A set of disposables with one end. What is added after the end is disposed at once, so nothing leaks. */
export class DisposableStore implements Disposable {
  private readonly items = new Set<Disposable>();
  private _isDisposed = false;

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  add<T extends Disposable>(item: T): T {
    if (this._isDisposed) item.dispose();
    else this.items.add(item);
    return item;
  }

  /** Disposes one item now and forgets it. */
  delete(item: Disposable): void {
    if (this.items.delete(item)) item.dispose();
  }

  clear(): void {
    const items = [...this.items];
    this.items.clear();
    disposeAll(items);
  }

  dispose(): void {
    if (this._isDisposed) return;
    this._isDisposed = true;
    this.clear();
  }
}

/** A map that owns its values: replacing or deleting one disposes it. */
export class DisposableMap<K, V extends Disposable> implements Disposable {
  private readonly items = new Map<K, V>();
  private isDisposed = false;

  get size(): number {
    return this.items.size;
  }

  get(key: K): V | undefined {
    return this.items.get(key);
  }

  has(key: K): boolean {
    return this.items.has(key);
  }

  set(key: K, value: V): V {
    if (this.isDisposed) {
      value.dispose();
      return value;
    }
    const previous = this.items.get(key);
    if (previous !== value) previous?.dispose();
    this.items.set(key, value);
    return value;
  }

  delete(key: K): boolean {
    const value = this.items.get(key);
    this.items.delete(key);
    value?.dispose();
    return value !== undefined;
  }

  /** Forgets a value without disposing it; the caller owns it from now on. */
  take(key: K): V | undefined {
    const value = this.items.get(key);
    this.items.delete(key);
    return value;
  }

  keys(): IterableIterator<K> {
    return this.items.keys();
  }

  values(): IterableIterator<V> {
    return this.items.values();
  }

  dispose(): void {
    this.isDisposed = true;
    const values = [...this.items.values()];
    this.items.clear();
    disposeAll(values);
  }
}
