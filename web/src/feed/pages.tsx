import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { told } from "../api/client";
import type { VideoSummary } from "../api/types";
import { capital } from "../format";
import { Avatar } from "../people/avatar";
import { FollowButton } from "../people/follow-button";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { type Page, usePages } from "../ui/load";
import { Button, ButtonLink, Empty, Loading, PageTitle, Trouble } from "../ui/parts";
import { isCategory, NoCategory } from "../videos/category";
import { Clip } from "./clip";

const PAGE = 18;

interface Reply {
  videos: VideoSummary[];
  next_page_token: string;
}

const asPage = ({ videos, next_page_token }: Reply): Page<VideoSummary> => ({ items: videos, next: next_page_token });
const asked = (token: string) => ({ page_size: PAGE, ...(token && { page_token: token }) });

/** What those published whom one follows. */
export function FollowingPage() {
  const { api } = useStudio();
  return (
    <>
      <PageTitle>Following</PageTitle>
      <Followed />
      <Clips
        list="following"
        load={async (token, signal) =>
          asPage(await told(api.GET("/v1/feed", { params: { query: asked(token) }, ...(signal && { signal }) })))
        }
        empty={
          <Empty icon="heart" title="Nothing new yet">
            <p>What people publish whom you follow comes here. Find some to follow.</p>
            <ButtonLink href={hrefOf({ page: "discover", category: "" })} kind="primary">
              Discover clips
            </ButtonLink>
          </Empty>
        }
      />
    </>
  );
}

/** Whom one follows. */
function Followed() {
  const { follows, session } = useStudio();
  const ids = [...(follows.followed.value ?? [])];
  if (ids.length === 0) return null;
  return (
    <nav class="chips" aria-label="People you follow">
      {ids.map((id) => (
        <a key={id} class="chip chip-person" href={hrefOf({ page: "person", id })}>
          <Avatar userId={id} name={session.nameOf(id)} />
          {session.nameOf(id)}
        </a>
      ))}
    </nav>
  );
}

/** What was published by anybody, of one category or all. */
export function DiscoverPage({ category }: { category: string }) {
  const { api, config } = useStudio();
  return (
    <>
      <PageTitle>Discover</PageTitle>
      <nav class="chips" aria-label="Categories">
        {["", ...config.categories].map((one) => (
          <a
            key={one}
            class="chip"
            href={hrefOf({ page: "discover", category: one })}
            aria-current={one === category ? "true" : undefined}
          >
            {one === "" ? "Everything" : capital(one)}
          </a>
        ))}
      </nav>
      {isCategory(category, config) ? (
        <Clips
          list={`discover ${category}`}
          load={async (token, signal) => {
            const query = { ...asked(token), ...(category && { category }) };
            return asPage(await told(api.GET("/v1/feed/discover", { params: { query }, ...(signal && { signal }) })));
          }}
          empty={
            <Empty icon="compass" title="Nothing published here yet">
              <p>
                {category ? `Nobody has published a clip in ${capital(category)}.` : "Be the first to publish a clip."}
              </p>
              <ButtonLink href={hrefOf({ page: "upload" })} kind="primary">
                Upload clips
              </ButtonLink>
            </Empty>
          }
        />
      ) : (
        <NoCategory category={category}>
          <ButtonLink href={hrefOf({ page: "discover", category: "" })} kind="primary">
            Discover everything
          </ButtonLink>
        </NoCategory>
      )}
    </>
  );
}

/** What one person published, and whether one follows them. */
export function PersonPage({ id }: { id: string }) {
  const { api, me, session } = useStudio();
  const name = session.nameOf(id);
  return (
    <>
      <PageTitle side={<FollowButton userId={id} />}>
        <span class="person">
          <Avatar userId={id} name={name} />
          {id === me ? `${name} (you)` : name}
        </span>
      </PageTitle>
      <Clips
        list={id}
        author={false}
        load={async (token, signal) => {
          const params = { path: { user_id: id }, query: asked(token) };
          return asPage(await told(api.GET("/v1/users/{user_id}/videos", { params, ...(signal && { signal }) })));
        }}
        empty={
          <Empty icon="film" title="Nothing published yet">
            <p>Public clips of {name} are listed here.</p>
          </Empty>
        }
      />
    </>
  );
}

interface ClipsProps {
  list: string;
  load: (token: string, signal?: AbortSignal) => Promise<Page<VideoSummary>>;
  empty: ComponentChildren;
  author?: boolean;
}

function Clips({ list, load, empty, author = true }: ClipsProps) {
  const { items, failure, more, reload } = usePages(list, load);
  const [playing, setPlaying] = useState<string | null>(null);
  return (
    <>
      {failure && <Trouble error={failure} again={reload} />}
      {!items && !failure && <Loading what="clips" />}
      {items?.length === 0 && empty}
      <div class="grid grid-clips">
        {items?.map((video) => (
          <Clip
            key={video.video_id}
            video={video}
            author={author}
            playing={playing === video.video_id}
            play={() => setPlaying(video.video_id)}
            stop={() => setPlaying((now) => (now === video.video_id ? null : now))}
          />
        ))}
      </div>
      {more && (
        <div class="more">
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </>
  );
}
