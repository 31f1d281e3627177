import { computed, signal, type ReadonlySignal } from "@preact/signals";
import { claimsOf } from "./token";
import type { Config } from "./config";
import { hostedTokens } from "./sign-in/host";
import { localToken } from "./sign-in/local";

export interface Person {
  userId: string;
  name: string;
  tier: string;
}

export interface Session {
  person: ReadonlySignal<Person | null>;
  /** Why nobody is signed in, where somebody was. */
  ended: ReadonlySignal<string>;
  /** What a person's id is called here: the name where it is known. */
  nameOf(userId: string): string;
  authorization(): string;
  signInLocally(name: string, tier: string): Promise<void>;
  signOut(): void;
  /** The API refused the token of this `Authorization`: whether there is another one of the same person now. Where none
   * can be had, the session has ended. */
  refused(authorization: string): Promise<boolean>;
}

interface Stored {
  token: string;
  name: string;
}

const KEY = "nextplay.session";
const RENEW_BEFORE_MS = 60_000;
const HOST_ANSWERS_MS = 5000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The session that this tab had, or the one that the address or the hosting app brings. */
export function openSession(config: Config): Session {
  const stored = signal<Stored | null>(usable(read()));
  const ended = signal("");
  const known = new Map(config.local_issuer?.users.map((user) => [user.user_id, user.name]));
  const person = computed(() => (stored.value ? personOf(stored.value) : null));
  const host = hostedTokens(config.host_origins, (token, name) => keep({ token, name }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let replacing: Promise<void> | undefined;

  function keep(next: Stored | null) {
    stored.value = usable(next);
    clearTimeout(timer);
    if (stored.value) {
      sessionStorage.setItem(KEY, JSON.stringify(stored.value));
      ended.value = "";
      const left = claimsOf(stored.value.token).expiresAt - Date.now();
      timer = setTimeout(() => void renew(), Math.min(Math.max(left - RENEW_BEFORE_MS, left / 2), LONGEST_TIMER_MS));
    } else sessionStorage.removeItem(KEY);
  }

  async function renew() {
    const now = stored.value;
    if (!now) return;
    await another(now);
    const left = Math.max(0, claimsOf(now.token).expiresAt - Date.now());
    if (stored.value === now) timer = setTimeout(() => stored.value === now && end(), left);
  }

  /** Another token in the place of this one, if the local issuer answers; a host is asked, and answers when it will. */
  async function another(now: Stored) {
    if (!config.local_issuer) return host.ask();
    const { tier } = claimsOf(now.token);
    const token = await localToken(config.local_issuer.token_url, now.name, tier).catch(() => null);
    if (token && stored.value === now) keep({ token, name: now.name });
  }

  async function replace(now: Stored) {
    await another(now);
    if (!config.local_issuer) await changed(stored, now, HOST_ANSWERS_MS);
    if (stored.value === now) end();
  }

  function end() {
    keep(null);
    ended.value = "Your sign-in has ended.";
    host.ask();
  }

  const fromAddress = tokenOfAddress();
  keep(fromAddress ? { token: fromAddress, name: "" } : stored.value);
  if (!stored.value) host.ask();

  return {
    person,
    ended,
    nameOf(userId) {
      if (userId === person.value?.userId) return person.value.name;
      return known.get(userId) ?? `User ${userId.slice(-6)}`;
    },
    authorization: () => `Bearer ${stored.value?.token ?? ""}`,
    async signInLocally(name, tier) {
      if (config.local_issuer) keep({ token: await localToken(config.local_issuer.token_url, name, tier), name });
    },
    signOut() {
      keep(null);
      ended.value = "";
    },
    async refused(authorization) {
      const token = authorization.replace("Bearer ", "");
      if (stored.value?.token === token) {
        await (replacing ??= replace(stored.value).finally(() => (replacing = undefined)));
      }
      return person.value?.userId === claimsOf(token).userId; // nobody asks in the name of another
    },
  };
}

/** Waits until a signal is no longer `now`, but not longer than so many milliseconds. */
function changed<T>(watched: ReadonlySignal<T>, now: T, longestMs: number): Promise<void> {
  let stop: (() => void) | undefined;
  const change = new Promise<void>((resolve) => {
    stop = watched.subscribe((value) => value !== now && resolve());
    setTimeout(resolve, longestMs);
  });
  return change.finally(stop);
}

function personOf({ token, name }: Stored): Person {
  const { userId, tier } = claimsOf(token);
  return { userId, tier, name: name || `User ${userId.slice(-6)}` };
}

function usable(candidate: Stored | null): Stored | null {
  if (!candidate) return null;
  const claims = claimsOf(candidate.token);
  return claims.userId && claims.expiresAt > Date.now() ? candidate : null;
}

function read(): Stored | null {
  try {
    const { token, name } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Stored>;
    return token ? { token, name: name ?? "" } : null;
  } catch {
    return null;
  }
}

/** `#token=…`, taken out of the address and the history, so that nobody copies or reloads it. */
function tokenOfAddress(): string | null {
  const found = /^#token=([\w.-]+)$/.exec(location.hash);
  if (found) history.replaceState(null, "", `${location.pathname}${location.search}`);
  return found?.[1] ?? null;
}
