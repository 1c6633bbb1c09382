/** Data on a page: loaded once, shown again at once when one comes back, and pages of lists that keep their place. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Refusal } from './client.ts';

/** What was loaded before, by key; shown while it is loaded again. */
const known = new Map<string, unknown>();
const mostKnown = 200;

function remember(key: string, value: unknown): void {
  known.delete(key);
  known.set(key, value);
  const oldest = known.keys().next();
  if (known.size > mostKnown && !oldest.done) known.delete(oldest.value);
}

/** After a change: nothing that was loaded before counts any more. */
export function forgetAll(): void {
  known.clear();
}

export interface Loaded<Value> {
  data: Value | undefined;
  error: Refusal | undefined;
  /** Nothing to show yet, and for longer than one would notice. */
  slow: boolean;
  reload(): void;
}

/** Waiting that is worth showing begins after 300 ms. */
function useSlow(waiting: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!waiting) return undefined;
    const timer = setTimeout(() => setSlow(true), 300);
    return () => clearTimeout(timer);
  }, [waiting]);
  return waiting && slow;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}

/**
 * One thing, by a key that says what it is; undefined as key loads nothing.
 * @param load asked again whenever the key changes, and by `reload`
 */
export function useLoad<Value>(key: string | undefined, load: () => Promise<Value>): Loaded<Value> {
  const [state, setState] = useState<{ key?: string; data?: Value; error?: Refusal }>({});
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (key === undefined) return undefined;
    let gone = false;
    latest
      .current()
      .then((data) => {
        remember(key, data);
        if (!gone) setState({ key, data });
      })
      .catch((error: unknown) => {
        if (!gone) setState({ key, error: refusalOf(error) });
      });
    return () => {
      gone = true;
    };
  }, [key, turn]);
  const current = state.key === key ? state : {};
  const data = current.data ?? (key === undefined ? undefined : (known.get(key) as Value | undefined));
  const error = current.error;
  const slow = useSlow(key !== undefined && data === undefined && error === undefined);
  return { data, error, slow, reload: useCallback(() => setTurn((one) => one + 1), []) };
}

/** Loads again every so many seconds while someone looks at the page. */
export function useLive(reload: () => void, seconds: number): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') reload();
    }, seconds * 1000);
    return () => clearInterval(timer);
  }, [reload, seconds]);
}

export interface Page<Item> {
  items: Item[];
  next?: string;
}

export interface Pages<Item> extends Omit<Loaded<Item[]>, 'data'> {
  items: Item[] | undefined;
  hasMore: boolean;
  busy: boolean;
  more(): void;
}

const firstPage = 50;
const largestPage = 200;

/**
 * A list that grows by pages. What was there before stands at once and in the same length, so that coming back finds
 * the same place, and is then read anew.
 */
export function usePages<Item>(
  key: string,
  load: (page: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Pages<Item> {
  const before = known.get(key) as Page<Item> | undefined;
  const length = Math.max(before?.items.length ?? 0, firstPage);
  const first = useLoad<Page<Item>>(key, () =>
    length > largestPage && before ? Promise.resolve(before) : load({ limit: length }),
  );
  const [rest, setRest] = useState<{ key: string; error?: Refusal; busy: boolean }>({ key, busy: false });
  const [, draw] = useState(0);
  const page = (known.get(key) as Page<Item> | undefined) ?? first.data;
  usePlace(key, page !== undefined);
  const more = () => {
    if (!page?.next || rest.busy) return;
    setRest({ key, busy: true });
    load({ limit: firstPage, cursor: page.next })
      .then((added) => {
        remember(key, { ...page, ...added, items: [...page.items, ...added.items] });
        setRest({ key, busy: false });
        draw((one) => one + 1);
      })
      .catch((error: unknown) => setRest({ key, busy: false, error: refusalOf(error) }));
  };
  const mine = rest.key === key ? rest : { busy: false, error: undefined };
  return {
    items: first.error ? undefined : page?.items,
    error: first.error ?? mine.error,
    slow: first.slow,
    reload: first.reload,
    hasMore: page?.next !== undefined,
    busy: mine.busy,
    more,
  };
}

const places = new Map<string, number>();
let cameBack = false;
addEventListener('popstate', () => {
  cameBack = true;
});
// Its own idea of where one was is older than what a list shows by then.
history.scrollRestoration = 'manual';
let leaving = false;
addEventListener(
  'scroll',
  () => {
    if (!leaving) places.set(location.pathname + location.search, scrollY);
  },
  { passive: true },
);
addEventListener(
  'click',
  () => {
    cameBack = false;
  },
  { capture: true },
);

/** Where one stood in a list, when one comes back to it. */
function usePlace(key: string, isThere: boolean): void {
  useLayoutEffect(() => {
    if (!isThere || !cameBack) return;
    cameBack = false;
    leaving = true;
    scrollTo(0, places.get(location.pathname + location.search) ?? 0);
    leaving = false;
  }, [key, isThere]);
}
