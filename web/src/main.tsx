import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/notices.css";
import "./styles/lists.css";
import "./styles/settings.css";
import "./styles/videos.css";
import "./styles/watch.css";
import "./styles/upload.css";
import { render } from "preact";
import { useMemo, useEffect } from "preact/hooks";
import { openApi } from "./api/client";
import { Failure } from "./api/failure";
import { App } from "./app";
import { readConfig } from "./config";
import type { Notification } from "./api/types";
import { isBad, openInbox } from "./inbox/inbox";
import { openTitles } from "./inbox/titles";
import { openFollows } from "./people/follows";
import { openPush } from "./push/push";
import { openRoute } from "./route";
import { openSession } from "./session";
import { SignInPage } from "./sign-in/page";
import { type Studio, StudioContext } from "./studio";
import { Trouble } from "./ui/parts";
import { openPlaces } from "./ui/places";
import { openTheme } from "./ui/theme";
import { openToasts } from "./ui/toasts";
import { openUploads } from "./upload/uploads";
import { watching } from "./videos/watching";

/** Without it the browser has no hashes, no ids and no push. */
const INSECURE = new Failure("INSECURE", "Studio needs a secure connection.", "Open it by https://, or on localhost.");

const place = document.getElementById("studio")!;

type Opened = Pick<Studio, "config" | "session" | "api" | "route" | "theme" | "toasts">;

function Main({ opened }: { opened: Opened }) {
  const me = opened.session.person.value?.userId;
  return me ? (
    <SignedIn key={me} opened={opened} me={me} />
  ) : (
    <SignInPage config={opened.config} session={opened.session} />
  );
}

/** Studio of one person; another one gets another. */
function SignedIn({ opened, me }: { opened: Opened; me: string }) {
  const studio = useMemo<Studio>(() => {
    const { api, config, toasts } = opened;
    const watch = watching(api);
    const titles = openTitles(api);
    async function tell(notification: Notification) {
      const title = await titles.of(notification);
      const text = title ? `“${title}”: ${notification.body}` : notification.body;
      if (isBad(notification.kind)) toasts.warn(text);
      else toasts.say(text);
    }
    return {
      ...opened,
      ...{ me, watch, titles },
      places: openPlaces(opened.route),
      uploads: openUploads(api, watch, config.categories),
      inbox: openInbox(api, me, (notification) => void tell(notification)),
      follows: openFollows(api, me),
      push: openPush(api, me),
    };
  }, []);
  useEffect(
    () => () => {
      studio.uploads.close();
      studio.inbox.close();
      studio.places.close();
    },
    [],
  );
  return (
    <StudioContext.Provider value={studio}>
      <App />
    </StudioContext.Provider>
  );
}

const theme = openTheme();
try {
  if (!isSecureContext) throw INSECURE;
  const config = await readConfig();
  const session = openSession(config);
  const opened = {
    config,
    session,
    api: openApi(config.api, session),
    route: openRoute(),
    theme,
    toasts: openToasts(),
  };
  render(<Main opened={opened} />, place);
} catch (error) {
  render(<Trouble error={error} again={() => location.reload()} />, place);
}
