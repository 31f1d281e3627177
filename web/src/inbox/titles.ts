import { type Api, told } from "../api/client";
import type { Notification } from "../api/types";

/** The titles of videos whose notifications do not name them, looked up one after another and once each. */
export function openTitles(api: Api) {
  const asked = new Map<string, Promise<string>>();
  let last: Promise<unknown> = Promise.resolve();

  async function look(video_id: string): Promise<string> {
    return (await told(api.GET("/v1/videos/{video_id}", { params: { path: { video_id } } }))).title;
  }

  return {
    /** The title to show beside a notification; empty where its text has one already, or there is none to be had. */
    of({ kind, video_id }: Pick<Notification, "kind" | "video_id">): Promise<string> {
      if (kind !== "video_ready" || !video_id) return Promise.resolve("");
      const before = asked.get(video_id);
      if (before) return before;
      const title = last
        .then(() => look(video_id))
        .catch(() => {
          asked.delete(video_id); // the next who wants it asks again
          return "";
        });
      asked.set(video_id, title);
      last = title;
      return title;
    },
  };
}

export type Titles = ReturnType<typeof openTitles>;
