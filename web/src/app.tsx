import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { DiscoverPage, FollowingPage, PersonPage } from "./feed/pages";
import { InboxPage } from "./inbox/page";
import { Avatar } from "./people/avatar";
import { goTo, hrefOf, type Route } from "./route";
import { SettingsPage } from "./settings-page";
import { useStudio } from "./studio";
import { Icon, type IconName, Logo } from "./ui/icon";
import { ButtonLink, Empty, PageTitle } from "./ui/parts";
import { ToastList } from "./ui/toasts";
import { useDropping } from "./upload/dropping";
import { UploadPage } from "./upload/page";
import { isUnderWay } from "./upload/transfer";
import { VideosPage } from "./videos/list-page";
import { VideoPage } from "./videos/page";

const NAMES: Record<Route["page"], string> = {
  upload: "Upload",
  videos: "Your videos",
  video: "Video",
  following: "Following",
  discover: "Discover",
  inbox: "Inbox",
  person: "Person",
  settings: "Settings",
  missing: "Not found",
};

/** The frame around every page, for somebody who is signed in. */
export function App() {
  const { route, places, toasts, inbox, uploads } = useStudio();
  const now = route.value;
  const unread = inbox.unread.value;
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${NAMES[now.page]} · NextPlay Studio`;
  }, [now, unread]);
  useLayoutEffect(() => window.scrollTo(0, places.here().scrollY), [now]);
  const dropping = useDropping((files) => {
    uploads.add(files);
    goTo({ page: "upload" });
  });
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => skip(event)}>
        Skip to the page
      </a>
      <Navigation route={now} />
      <main id="main" tabIndex={-1}>
        <Page route={now} />
      </main>
      <ToastList toasts={toasts} />
      {dropping && <p class="dropping">Let go to add the clips</p>}
    </div>
  );
}

/** A fragment is a route here, so the focus is moved without one. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "upload":
      return <UploadPage />;
    case "videos":
      return <VideosPage status={route.status} category={route.category} />;
    case "video":
      return <VideoPage key={route.id} id={route.id} />;
    case "following":
      return <FollowingPage />;
    case "discover":
      return <DiscoverPage category={route.category} />;
    case "inbox":
      return <InboxPage />;
    case "person":
      return <PersonPage key={route.id} id={route.id} />;
    case "settings":
      return <SettingsPage />;
    case "missing":
      return (
        <>
          <PageTitle>Not found</PageTitle>
          <Empty icon="compass" title="There is nothing at this address">
            <ButtonLink href={hrefOf({ page: "upload" })}>Go to Upload</ButtonLink>
          </Empty>
        </>
      );
  }
}

function Navigation({ route }: { route: Route }) {
  const { session, inbox, uploads, me } = useStudio();
  const unread = inbox.unread.value;
  const sending = uploads.transfers.value.filter(isUnderWay).length;
  const name = session.person.value?.name ?? "";
  return (
    <header class="bar-top">
      <a class="logo" href={hrefOf({ page: "upload" })} aria-label="NextPlay Studio">
        <Logo />
        <span aria-hidden="true">Studio</span>
      </a>
      <nav class="tabs" aria-label="Main">
        <Tab to={{ page: "upload" }} now={route} icon="upload" count={sending} counted="under way">
          Upload
        </Tab>
        <Tab to={{ page: "videos", status: "", category: "" }} now={route} icon="film">
          Videos
        </Tab>
        <Tab to={{ page: "following" }} now={route} icon="heart">
          Following
        </Tab>
        <Tab to={{ page: "discover", category: "" }} now={route} icon="compass">
          Discover
        </Tab>
        <Tab to={{ page: "inbox" }} now={route} icon="bell" count={unread} counted="unread">
          Inbox
        </Tab>
      </nav>
      <a
        class="account"
        href={hrefOf({ page: "settings" })}
        aria-current={route.page === "settings" ? "page" : undefined}
      >
        <Avatar userId={me} name={name} />
        <span class="account-name">
          {name} <span class="hint">Settings</span>
        </span>
      </a>
    </header>
  );
}

interface TabProps {
  to: Route;
  now: Route;
  icon: IconName;
  count?: number;
  counted?: string;
  children: ComponentChildren;
}

function Tab({ to, now, icon, count = 0, counted, children }: TabProps) {
  return (
    <a class="tab" href={hrefOf(to)} aria-current={to.page === now.page ? "page" : undefined}>
      <Icon name={icon} />
      <span>{children}</span>
      {count > 0 && (
        <span class={counted === "unread" ? "badge" : "badge badge-calm"}>
          <span class="hidden">, </span>
          {count > 99 ? "99+" : count}
          <span class="hidden"> {counted}</span>
        </span>
      )}
    </a>
  );
}
