import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";
import { Button } from "../ui/parts";

export const ACCEPTED = "video/mp4,video/quicktime,.mp4,.mov,.m4v";

/** Takes clips that are dropped anywhere on the page, or chosen. */
export function DropZone({ small }: { small: boolean }) {
  const { uploads } = useStudio();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();

  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const on = (type: "dragover" | "drop" | "dragleave", act: (event: DragEvent) => void) =>
      document.addEventListener(type, act, { signal });
    on("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    });
    on("dragleave", (event) => event.relatedTarget === null && setOver(false));
    on("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      uploads.add(event.dataTransfer?.files ?? []);
    });
    return () => leaving.abort();
  }, []);

  return (
    <section class={`drop ${over ? "drop-over" : ""} ${small ? "drop-small" : ""}`} aria-labelledby={id}>
      <span class="drop-icon">
        <Icon name="upload" />
      </span>
      <div>
        <h2 id={id}>{over ? "Let go to add them" : "Drop clips here"}</h2>
        <p>MP4 or MOV with H.264 or H.265, up to 30 seconds and 150 MB.</p>
      </div>
      <Button kind="primary" icon="film" onClick={() => input.current?.click()}>
        Choose clips
      </Button>
      <input
        ref={input}
        class="hidden"
        type="file"
        multiple
        tabIndex={-1}
        accept={ACCEPTED}
        aria-label="Clips to upload"
        onChange={(event) => {
          uploads.add(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
        }}
      />
    </section>
  );
}
