import { signal } from "@preact/signals";

export type Route =
  | { page: "upload" }
  | { page: "videos"; status: string; category: string }
  | { page: "video"; id: string }
  | { page: "following" }
  | { page: "discover"; category: string }
  | { page: "inbox" }
  | { page: "person"; id: string }
  | { page: "settings" }
  | { page: "missing" };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The route of a fragment such as `#/videos?status=READY`; an empty one is the first page. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const asked = new URLSearchParams(query);
  const [page = "", id = "", ...rest] = path.split("/");
  if (rest.length > 0 || (id && !UUID.test(id))) return { page: "missing" };
  if (page === "videos" && id) return { page: "video", id };
  if (page === "people" && id) return { page: "person", id };
  if (id) return { page: "missing" };
  switch (page) {
    case "":
    case "upload":
      return { page: "upload" };
    case "videos":
      return { page, status: asked.get("status") ?? "", category: asked.get("category") ?? "" };
    case "discover":
      return { page, category: asked.get("category") ?? "" };
    case "following":
    case "inbox":
    case "settings":
      return { page };
    default:
      return { page: "missing" };
  }
}

/** The address of a route, to put in a link. */
export function hrefOf(route: Route): string {
  switch (route.page) {
    case "video":
      return `#/videos/${route.id}`;
    case "person":
      return `#/people/${route.id}`;
    case "videos":
      return withQuery("#/videos", { status: route.status, category: route.category });
    case "discover":
      return withQuery("#/discover", { category: route.category });
    default:
      return `#/${route.page}`;
  }
}

function withQuery(path: string, asked: Record<string, string>): string {
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
  return query ? `${path}?${query}` : path;
}

/** Where the page is, followed from the address. */
export function openRoute() {
  const route = signal(parseRoute(location.hash));
  window.addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
  return route;
}

export function goTo(route: Route) {
  location.hash = hrefOf(route);
}
