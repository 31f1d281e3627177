import { useRef, useState } from "preact/hooks";
import { told } from "../api/client";
import type { Video, VideoStatus, Visibility } from "../api/types";
import { goTo, hrefOf } from "../route";
import { useStudio } from "../studio";
import { Button, Confirm } from "../ui/parts";
import { VisibilityField, type Words, WordsForm, wrongWith } from "../upload/details";
import { ACCEPTED } from "../upload/drop-zone";
import { ReasonNotice } from "./reason";

interface OwnProps {
  video: Video;
  status: VideoStatus;
  /** Asks for the video and its status again. */
  reload: () => void;
}

/** What its owner can do to get a video published: publish it, or repair what went wrong. */
export function NextStep({ video, status, reload }: OwnProps) {
  const can = (action: VideoStatus["allowed_actions"][number]) => status.allowed_actions.includes(action);
  const reason = status.reason ?? video.reason;
  const canPublish = can("publish") || can("publish_when_ready");
  return (
    <>
      {reason && <ReasonNotice reason={reason} />}
      {(can("retry") || can("upload")) && (
        <Repair video={video} canRetry={can("retry")} canUpload={can("upload")} reload={reload} />
      )}
      {canPublish && <Publish video={video} now={can("publish")} reload={reload} />}
      {video.publish_when_ready && !can("publish") && (
        <p class="notice notice-good">It is published as soon as it is ready.</p>
      )}
    </>
  );
}

function Publish({ video, now, reload }: { video: Video; now: boolean; reload: () => void }) {
  const { api, toasts } = useStudio();
  const [visibility, setVisibility] = useState<Visibility>(video.visibility);
  const [tell, setTell] = useState(true);
  async function publish() {
    const body = { visibility, notify_followers: tell, ...(!now && { when_ready: true }) };
    const params = { path: { video_id: video.video_id } };
    await told(api.POST("/v1/videos/{video_id}/publish", { params, body })).then(({ status }) => {
      toasts.say(status === "PUBLISHED" ? "Published." : "It will be published when it is ready.");
      reload();
    }, toasts.fail);
  }
  return (
    <section class="panel" aria-labelledby="publish">
      <h2 id="publish">{now ? "Publish" : "Publish when ready"}</h2>
      <VisibilityField visibility={visibility} change={setVisibility} about="the publication" />
      {visibility === "public" && (
        <label class="check">
          <input type="checkbox" checked={tell} onChange={(event) => setTell(event.currentTarget.checked)} />
          <span>Tell my followers</span>
        </label>
      )}
      <div class="actions">
        <Button kind="primary" icon="play" onClick={publish}>
          {now ? "Publish now" : "Publish when ready"}
        </Button>
      </div>
    </section>
  );
}

interface RepairProps {
  video: Video;
  canRetry: boolean;
  canUpload: boolean;
  reload: () => void;
}

function Repair({ video, canRetry, canUpload, reload }: RepairProps) {
  const { api, uploads, toasts } = useStudio();
  const input = useRef<HTMLInputElement>(null);
  const { video_id, title, description, category, visibility } = video;
  async function retry() {
    await told(api.POST("/v1/videos/{video_id}/retry", { params: { path: { video_id } }, body: {} })).then(() => {
      toasts.say("It is processed again.");
      reload();
    }, toasts.fail);
  }
  function upload(files: FileList | null) {
    if (!files?.[0]) return;
    uploads.add([files[0]], { into: video_id, title, description, category, visibility });
    goTo({ page: "upload" });
  }
  return (
    <section class="panel" aria-label="Repair">
      <div class="actions">
        {canRetry && (
          <Button kind="primary" icon="retry" onClick={retry}>
            Retry processing
          </Button>
        )}
        {canUpload && (
          <Button kind={canRetry ? "plain" : "primary"} icon="upload" onClick={() => input.current?.click()}>
            Upload another file
          </Button>
        )}
      </div>
      <input
        ref={input}
        class="hidden"
        type="file"
        tabIndex={-1}
        accept={ACCEPTED}
        aria-label={`Other file of ${title}`}
        onChange={(event) => upload(event.currentTarget.files)}
      />
    </section>
  );
}

interface EditProps {
  video: Video;
  show: (saved: Video) => void;
}

/** The title, description, category and visibility of an own video, to be changed. */
export function EditDetails({ video, show }: EditProps) {
  const { api, toasts } = useStudio();
  const { video_id, title, description, category, visibility } = video;
  const saved: Words = { title, description, category, visibility };
  // Only what was changed here is saved: the rest may have changed elsewhere, as visibility does by publishing.
  const [changed, setChanged] = useState<Partial<Words>>({});
  const words = { ...saved, ...changed };
  const wrong = wrongWith(words);
  const isSame = (Object.keys(changed) as (keyof Words)[]).every((name) => changed[name] === saved[name]);
  async function save() {
    const params = { path: { video_id } };
    await told(api.PATCH("/v1/videos/{video_id}", { params, body: changed })).then((now) => {
      const { title, description, category, visibility } = now;
      show({ ...video, title, description, category, visibility });
      setChanged({});
      toasts.say("Saved.");
    }, toasts.fail);
  }
  return (
    <section class="panel" aria-labelledby="details">
      <h2 id="details">Details</h2>
      <div class="form">
        <WordsForm words={words} change={(more) => setChanged({ ...changed, ...more })} />
        {wrong && <p class="wrong">{wrong}</p>}
        <div class="actions">
          <Button kind="primary" disabled={isSame || wrong !== ""} onClick={save}>
            Save
          </Button>
        </div>
      </div>
    </section>
  );
}

/** Copies the link to a video, and deletes it after asking. */
export function VideoTools({ video, canDelete }: { video: Video; canDelete: boolean }) {
  const { api, toasts } = useStudio();
  const [asking, setAsking] = useState(false);
  const { video_id, title } = video;
  async function remove() {
    await told(api.DELETE("/v1/videos/{video_id}", { params: { path: { video_id } } })).then(() => {
      toasts.say(`“${title}” is deleted.`);
      goTo({ page: "videos", status: "", category: "" });
    }, toasts.fail);
  }
  async function copy() {
    const link = new URL(hrefOf({ page: "video", id: video_id }), location.href).href;
    await navigator.clipboard.writeText(link).then(
      () => toasts.say("The link is copied."),
      () => toasts.say(link),
    );
  }
  return (
    <div class="actions">
      <Button icon="link" onClick={copy}>
        Copy link
      </Button>
      {canDelete && (
        <Button icon="trash" kind="quiet" onClick={() => setAsking(true)}>
          Delete
        </Button>
      )}
      {asking && (
        <Confirm
          title={`Delete “${title}”?`}
          text="The video disappears everywhere, for ever. Nobody can bring it back."
          action="Delete for ever"
          onConfirm={remove}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  );
}
