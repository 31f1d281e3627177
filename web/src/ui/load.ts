import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "../api/failure";
import { useStudio } from "../studio";

interface Loaded<T> {
  value: T | null;
  failure: Failure | null;
  reload: () => void;
  set: (value: T) => void;
}

interface Again<T> {
  /** Asks for another version of the same: the old value stays until the new one is there. */
  version?: number;
  /** What is known of it from before, which stays likewise. */
  known?: T | null;
}

/** What `load` answers, asked again for another `key`. */
export function useLoad<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  { version = 0, known = null }: Again<T> = {},
): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; failure: Failure | null }>({
    key,
    value: known,
    failure: null,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const leaving = new AbortController();
    latest.current(leaving.signal).then(
      (value) => leaving.signal.aborted || setState({ key, value, failure: null }),
      (error: unknown) =>
        leaving.signal.aborted ||
        setState((before) => ({ key, value: before.key === key ? before.value : known, failure: asFailure(error) })),
    );
    return () => leaving.abort();
  }, [key, version, round]);
  const reload = useCallback(() => setRound((now) => now + 1), []);
  useEffect(() => {
    if (!state.failure) return;
    window.addEventListener("online", reload); // as a failure for want of a network promises
    return () => window.removeEventListener("online", reload);
  }, [state.failure]);
  const set = useCallback((value: T) => setState({ key, value, failure: null }), [key]);
  const { value, failure } = state.key === key ? state : { value: known, failure: null };
  return { value, failure, reload, set };
}

/** Addresses of pictures work for 15 minutes, so a list that was left for longer is asked for again. */
const OLD_MS = 10 * 60_000;

export interface Page<T> {
  items: T[];
  next: string;
}

interface Paged<T> {
  /** Null until the first page is there. */
  items: T[] | null;
  failure: Failure | null;
  /** The next page; null on the last one. */
  more: (() => Promise<void>) | null;
  reload: () => void;
  change: (edit: (items: T[]) => T[]) => void;
}

/** The pages of a list as one that grows, begun anew for another `key`. Who comes back to the list finds as much of it
 * as there was, and as many are asked for again. */
export function usePages<T>(key: string, load: (token: string, signal?: AbortSignal) => Promise<Page<T>>): Paged<T> {
  const { places } = useStudio();
  const { lists } = useMemo(() => places.here(), [key]);
  const known = () => (lists.get(key) as Page<T> | undefined) ?? null;
  const first = useLoad<Page<T>>(key, (signal) => asMany(load, () => known()?.items.length ?? 0, signal), {
    known: known(),
  });
  const [failure, setFailure] = useState<Failure | null>(null);
  const { value, reload, set } = first;
  useLayoutEffect(() => void (value && lists.set(key, value)), [lists, value]);
  useEffect(() => {
    const since = Date.now();
    const lookAgain = () => document.visibilityState === "visible" && Date.now() - since > OLD_MS && reload();
    document.addEventListener("visibilitychange", lookAgain);
    return () => document.removeEventListener("visibilitychange", lookAgain);
  }, [value]);
  async function more(): Promise<void> {
    const before = known();
    if (!before?.next) return;
    try {
      const page = await load(before.next);
      const now = known() ?? before;
      if (now.next !== before.next) return await more(); // it was asked for again meanwhile, and ends elsewhere now
      set({ items: [...now.items, ...page.items], next: page.next });
      setFailure(null);
    } catch (error) {
      setFailure(asFailure(error));
    }
  }
  return {
    items: value?.items ?? null,
    failure: first.failure ?? failure,
    more: value?.next ? more : null,
    reload,
    change(edit) {
      const now = known(); // more may have come since it was drawn
      if (now) set({ ...now, items: edit(now.items) });
    },
  };
}

/** The first pages of a list, until they have so many items or the list ends. */
async function asMany<T>(
  load: (token: string, signal?: AbortSignal) => Promise<Page<T>>,
  wanted: () => number,
  signal: AbortSignal,
): Promise<Page<T>> {
  let page = await load("", signal);
  while (page.next && page.items.length < wanted()) {
    const { items, next } = await load(page.next, signal);
    page = { items: [...page.items, ...items], next };
  }
  return page;
}
