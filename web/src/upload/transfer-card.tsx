import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, remaining } from "../format";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";
import { Button, ButtonLink, Trouble } from "../ui/parts";
import { ReasonNotice } from "../videos/reason";
import { Progress } from "../videos/steps";
import { WordsForm, wrongWith } from "./details";
import { ACCEPTED } from "./drop-zone";
import { wordsOf } from "./giving-up";
import { FILE_CHANGED } from "./sending";
import { isUnderWay, PHASES, type Transfer } from "./transfer";

/** A chosen clip, from the first look at it until it is READY. */
export function TransferCard({ transfer }: { transfer: Transfer }) {
  const { uploads } = useStudio();
  const { id, file, phase, verdict, title, begun } = transfer;
  const name = phase === "draft" || phase === "refused" || phase === "checking" ? file.name : title;
  return (
    <article class={`transfer transfer-${phase}`} aria-label={file.name}>
      <LocalPicture file={file} />
      <div class="transfer-main">
        <header class="transfer-head">
          <div>
            <h2>{begun ? <a href={hrefOf({ page: "video", id: begun.videoId })}>{name}</a> : name}</h2>
            <p class="hint">{verdict?.fit ? verdict.note : bytes(file.size)}</p>
          </div>
          {!isUnderWay(transfer) && phase !== "failed" && (
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${file.name}`}
              onClick={() => void uploads.remove(id)}
            >
              <Icon name="close" />
            </button>
          )}
        </header>
        <Body transfer={transfer} />
      </div>
    </article>
  );
}

function Body({ transfer }: { transfer: Transfer }) {
  const { uploads } = useStudio();
  const { id, phase, verdict, failure, status, begun } = transfer;
  switch (phase) {
    case "checking":
      return <p role="status">{PHASES.checking}…</p>;
    case "refused":
      return (
        <div class="notice notice-bad" role="alert">
          <Icon name="alert" />
          <div>
            <p class="notice-what">{verdict && !verdict.fit ? verdict.reason : ""}</p>
            <p>{verdict && !verdict.fit ? verdict.advice : ""}</p>
          </div>
        </div>
      );
    case "draft":
      return <Draft transfer={transfer} />;
    case "failed":
      return (
        <>
          {failure?.code === FILE_CHANGED ? (
            <Trouble error={failure} />
          ) : (
            <Trouble error={failure} again={() => uploads.again(id)} />
          )}
          <div class="actions">
            {failure?.code === FILE_CHANGED && <ChooseAgain transfer={transfer} />}
            <Cancel transfer={transfer} />
          </div>
        </>
      );
    case "processing":
    case "ended":
      return (
        <>
          {status ? <Progress status={status} title={transfer.title} /> : <p role="status">{PHASES.processing}</p>}
          {status?.reason && <ReasonNotice reason={status.reason} />}
          {failure && <Trouble error={failure} />}
          <div class="actions">
            {begun && <ButtonLink href={hrefOf({ page: "video", id: begun.videoId })}>Open video</ButtonLink>}
          </div>
        </>
      );
    default:
      return <Sending transfer={transfer} />;
  }
}

function Draft({ transfer }: { transfer: Transfer }) {
  const { uploads } = useStudio();
  const { id, file, publish } = transfer;
  const wrong = wrongWith(transfer);
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong) uploads.start(id);
      }}
    >
      <WordsForm words={transfer} change={(words) => uploads.change(id, words)} about={file.name} />
      <label class="check">
        <input
          type="checkbox"
          checked={publish}
          onChange={(event) => uploads.change(id, { publish: event.currentTarget.checked })}
        />
        <span>Publish when ready</span>
      </label>
      {wrong && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <Button kind="primary" icon="upload" submit disabled={wrong !== ""} label={`Upload ${file.name}`}>
          Upload
        </Button>
      </div>
    </form>
  );
}

function Sending({ transfer }: { transfer: Transfer }) {
  const { uploads } = useStudio();
  const { id, file, phase, sentBytes, bytesPerSecond, failure } = transfer;
  const percent = Math.floor((sentBytes / file.size) * 100);
  const left = bytesPerSecond ? remaining((file.size - sentBytes) / bytesPerSecond) : "";
  const facts = [
    `${bytes(sentBytes)} of ${bytes(file.size)}`,
    phase === "sending" && bytesPerSecond ? `${bytes(bytesPerSecond)}/s` : "",
    phase === "sending" ? left : "",
  ];
  return (
    <>
      <progress class={`bar bar-${phase}`} max={100} value={percent} aria-label={`Upload of ${file.name}`}>
        {percent} %
      </progress>
      <p class="progress-text">
        <strong role="status">{PHASES[phase]}</strong>
        <span>
          {percent} % · {facts.filter(Boolean).join(" · ")}
        </span>
      </p>
      {phase === "waiting" && failure && (
        <p class="hint">
          {failure.message} {failure.nextAction}
        </p>
      )}
      <div class="actions">
        {phase === "paused" ? (
          <Button icon="play" label={`Resume ${file.name}`} onClick={() => uploads.resume(id)}>
            Resume
          </Button>
        ) : (
          <Button icon="pause" label={`Pause ${file.name}`} onClick={() => uploads.pause(id)}>
            Pause
          </Button>
        )}
        <Cancel transfer={transfer} />
      </div>
    </>
  );
}

function Cancel({ transfer }: { transfer: Transfer }) {
  const { uploads, toasts } = useStudio();
  async function cancel() {
    const left = await uploads.remove(transfer.id);
    if (left && transfer.begun) toasts.say(wordsOf(left, transfer.title));
  }
  return (
    <Button kind="quiet" icon="close" label={`Cancel ${transfer.file.name}`} onClick={cancel}>
      Cancel
    </Button>
  );
}

function ChooseAgain({ transfer: { id, file } }: { transfer: Transfer }) {
  const { uploads } = useStudio();
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button kind="primary" icon="film" label={`Choose ${file.name} again`} onClick={() => input.current?.click()}>
        Choose the file again
      </Button>
      <input
        ref={input}
        class="hidden"
        type="file"
        tabIndex={-1}
        accept={ACCEPTED}
        aria-label={`File of ${file.name}`}
        onChange={(event) => {
          const again = event.currentTarget.files?.[0];
          if (again) void uploads.replace(id, again);
        }}
      />
    </>
  );
}

/** The clip as it lies on this machine, where the browser can show it. */
function LocalPicture({ file }: { file: File }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    const url = URL.createObjectURL(file);
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [file]);
  return (
    <span class="thumbnail transfer-picture" aria-hidden="true">
      <span class="thumbnail-none">
        <Icon name="film" />
      </span>
      {address && <video src={`${address}#t=0.1`} muted playsInline preload="metadata" tabIndex={-1} />}
    </span>
  );
}
