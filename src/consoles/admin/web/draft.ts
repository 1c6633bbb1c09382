/**
 * What somebody has filled in and not saved: kept for this tab alone, so that signing in again on the way does not cost
 * it. Secrets never go through here.
 */
import { useCallback, useState } from 'preact/hooks';

const keyOf = (name: string) => `gatehouse-draft ${name}`;

/** What was kept under this name; undefined where nothing was, or it cannot be read. */
export function keptDraft<Value>(name: string): Value | undefined {
  try {
    const text = sessionStorage.getItem(keyOf(name));
    return text === null ? undefined : (JSON.parse(text) as Value);
  } catch {
    return undefined;
  }
}

/** Keeps it, or with undefined forgets it. A browser that keeps nothing loses the draft and nothing else. */
export function keepDraft(name: string, value: unknown): void {
  try {
    if (value === undefined) sessionStorage.removeItem(keyOf(name));
    else sessionStorage.setItem(keyOf(name), JSON.stringify(value));
  } catch {
    // Without room to keep it, the page still works.
  }
}

export interface Draft<Value> {
  value: Value;
  /** Whether something was changed since it was saved. */
  changed: boolean;
  change(value: Value): void;
  discard(): void;
}

/** @param initial what counts while nothing was changed; may become another one when something was saved elsewhere */
export function useDraft<Value>(name: string, initial: Value): Draft<Value> {
  const [kept, setKept] = useState<Value | undefined>(() => keptDraft<Value>(name));
  const change = useCallback(
    (value: Value) => {
      setKept(value);
      keepDraft(name, value);
    },
    [name],
  );
  const discard = useCallback(() => {
    setKept(undefined);
    keepDraft(name, undefined);
  }, [name]);
  return { value: kept ?? initial, changed: kept !== undefined, change, discard };
}
