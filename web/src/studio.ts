import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ReadonlySignal } from "@preact/signals";
import type { Api } from "./api/client";
import type { Config } from "./config";
import type { Inbox } from "./inbox/inbox";
import type { Titles } from "./inbox/titles";
import type { Follows } from "./people/follows";
import type { Push } from "./push/push";
import type { Route } from "./route";
import type { Session } from "./session";
import type { Places } from "./ui/places";
import type { openTheme } from "./ui/theme";
import type { Toasts } from "./ui/toasts";
import type { Uploads } from "./upload/uploads";
import type { Watch } from "./videos/watching";

/** What every page has at hand while somebody is signed in. */
export interface Studio {
  config: Config;
  session: Session;
  /** The own user id. */
  me: string;
  api: Api;
  route: ReadonlySignal<Route>;
  places: Places;
  watch: Watch;
  uploads: Uploads;
  inbox: Inbox;
  titles: Titles;
  follows: Follows;
  push: Push;
  theme: ReturnType<typeof openTheme>;
  toasts: Toasts;
}

export const StudioContext = createContext<Studio | null>(null);

export function useStudio(): Studio {
  const studio = useContext(StudioContext);
  if (!studio) throw new Error("A part of Studio is shown outside of it.");
  return studio;
}
