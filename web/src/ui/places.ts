import type { ReadonlySignal } from "@preact/signals";

/** What a page is come back to with: how far down it was, and its lists by their keys. */
export interface Place {
  scrollY: number;
  lists: Map<string, unknown>;
}

const KEPT = 20;

/**
 * What there was at each entry of the browser's history, so that Back and Forward lead to what was left; an entry that
 * a link makes is new. `route` is set before the page that it shows is there.
 */
export function openPlaces(route: ReadonlySignal<unknown>) {
  const places = new Map<string, Place>();
  let place = come();
  history.scrollRestoration = "manual"; // the browser would scroll before the list is there
  const leave = route.subscribe(() => {
    place.scrollY = window.scrollY;
    place = come();
  });

  function come(): Place {
    const entry = entryOfHistory();
    const known = places.get(entry) ?? { scrollY: 0, lists: new Map() };
    places.delete(entry);
    places.set(entry, known); // the last that was come to is the last to go
    if (places.size > KEPT) places.delete(places.keys().next().value!);
    return known;
  }

  return { here: () => place, close: leave };
}

export type Places = ReturnType<typeof openPlaces>;

/** What tells the present entry of the history apart from others of the same address. */
function entryOfHistory(): string {
  const state = (history.state ?? {}) as { entry?: string };
  if (state.entry) return state.entry;
  const entry = crypto.randomUUID();
  history.replaceState({ ...state, entry }, "");
  return entry;
}
