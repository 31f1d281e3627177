import { useRef, useState } from "preact/hooks";
import { bytes, dateTime } from "../format";
import { useStudio } from "../studio";
import { Button, Trouble } from "../ui/parts";
import { ACCEPTED } from "./drop-zone";
import { fingerprint, isOurs } from "./fingerprint";
import { wordsOf } from "./giving-up";
import type { Unfinished } from "./unfinished";

/** Own uploads that were begun before and can go on, once their file is chosen again. */
export function UnfinishedList() {
  const { uploads } = useStudio();
  const { list, failure, load } = uploads.unfinished;
  if (failure.value) return <Trouble error={failure.value} again={load} />;
  if (list.value.length === 0) return null;
  return (
    <section class="stack" aria-labelledby="unfinished">
      <h2 id="unfinished">Unfinished uploads</h2>
      {list.value.map((upload) => (
        <UnfinishedCard key={upload.upload_id} upload={upload} />
      ))}
    </section>
  );
}

function UnfinishedCard({ upload }: { upload: Unfinished }) {
  const { uploads, toasts } = useStudio();
  const [wrong, setWrong] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const { filename, title, file_size_bytes, receivedBytes, expires_at } = upload;
  const percent = Math.floor((receivedBytes / file_size_bytes) * 100);

  async function discard() {
    await uploads.unfinished.discard(upload).then((left) => toasts.say(wordsOf(left, title)), toasts.fail);
  }

  async function take(file: File | undefined) {
    if (!file) return;
    const same =
      file.size === file_size_bytes &&
      (!isOurs(upload.fingerprint) || (await fingerprint(file)) === upload.fingerprint);
    if (!same)
      return setWrong(
        `${file.name} is another file (${bytes(file.size)}). Choose ${filename} (${bytes(file_size_bytes)}).`,
      );
    setWrong("");
    uploads.resumeFrom(file, upload);
  }

  return (
    <article class="transfer" aria-label={filename}>
      <div class="transfer-main">
        <header class="transfer-head">
          <div>
            <h3>{title}</h3>
            <p class="hint">
              {filename} · {bytes(receivedBytes)} of {bytes(file_size_bytes)} sent · can go on until{" "}
              {dateTime(expires_at)}
            </p>
          </div>
        </header>
        <progress class="bar bar-paused" max={100} value={percent} aria-label={`Upload of ${filename}`}>
          {percent} %
        </progress>
        {wrong && (
          <p class="wrong" role="alert">
            {wrong}
          </p>
        )}
        <div class="actions">
          <Button kind="primary" icon="film" label={`Choose ${filename} again`} onClick={() => input.current?.click()}>
            Choose the file again
          </Button>
          <Button kind="quiet" icon="trash" label={`Discard ${filename}`} onClick={discard}>
            Discard
          </Button>
        </div>
        <input
          ref={input}
          class="hidden"
          type="file"
          tabIndex={-1}
          accept={ACCEPTED}
          aria-label={`File of ${filename}`}
          onChange={(event) => {
            void take(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </div>
    </article>
  );
}
