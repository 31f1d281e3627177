import { signal } from "@preact/signals";
import { type Api, told } from "../api/client";

const PAGE = 100;
/** Whom else somebody follows is looked up no further: the button then offers to follow, which changes nothing. */
const MOST_PAGES = 10;

/** Whom one follows. */
export function openFollows(api: Api, me: string) {
  const followed = signal<ReadonlySet<string> | null>(null);

  async function load() {
    const ids = new Set<string>();
    let token = "";
    for (let page = 0; page < MOST_PAGES; page++) {
      const query = { page_size: PAGE, ...(token && { page_token: token }) };
      const reply = await told(api.GET("/v1/users/{user_id}/following", { params: { path: { user_id: me }, query } }));
      for (const { user_id } of reply.following) ids.add(user_id);
      token = reply.next_page_token;
      if (!token) break;
    }
    followed.value = ids;
  }

  void load().catch(() => (followed.value = new Set()));
  return {
    followed,
    async set(userId: string, follows: boolean): Promise<void> {
      const params = { path: { user_id: userId } };
      await told(
        follows
          ? api.PUT("/v1/users/{user_id}/follow", { params })
          : api.DELETE("/v1/users/{user_id}/follow", { params }),
      );
      const ids = new Set(followed.value);
      if (follows) ids.add(userId);
      else ids.delete(userId);
      followed.value = ids;
    },
  };
}

export type Follows = ReturnType<typeof openFollows>;
