import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "../api/failure";

interface Loaded<T> {
  value: T | null;
  failure: Failure | null;
  reload: () => void;
  set: (value: T) => void;
}

/**
 * What `load` answers, asked again for another `key`, and for another `version` of the same: then the old value stays
 * until the new one is there.
 */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, version = 0): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; failure: Failure | null }>({
    key,
    value: null,
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
        setState((before) => ({ key, value: before.key === key ? before.value : null, failure: asFailure(error) })),
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
  const { value, failure } = state.key === key ? state : { value: null, failure: null };
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

/** The pages of a list as one that grows, begun anew for another `key`. */
export function usePages<T>(key: string, load: (token: string, signal?: AbortSignal) => Promise<Page<T>>): Paged<T> {
  const first = useLoad<Page<T>>(key, (signal) => load("", signal));
  const [failure, setFailure] = useState<Failure | null>(null);
  const { value, reload } = first;
  useEffect(() => {
    const since = Date.now();
    const lookAgain = () => document.visibilityState === "visible" && Date.now() - since > OLD_MS && reload();
    document.addEventListener("visibilitychange", lookAgain);
    return () => document.removeEventListener("visibilitychange", lookAgain);
  }, [value]);
  async function more() {
    if (!value) return;
    try {
      const page = await load(value.next);
      first.set({ items: [...value.items, ...page.items], next: page.next });
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
    change: (edit) => value && first.set({ ...value, items: edit(value.items) }),
  };
}
