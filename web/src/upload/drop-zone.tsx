import { useId, useRef } from "preact/hooks";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";
import { Button } from "../ui/parts";

export const ACCEPTED = "video/mp4,video/quicktime,.mp4,.mov,.m4v";

/** Where clips are chosen; they may be dropped anywhere on the page. */
export function DropZone({ small }: { small: boolean }) {
  const { uploads } = useStudio();
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  return (
    <section class={small ? "drop drop-small" : "drop"} aria-labelledby={id}>
      <span class="drop-icon">
        <Icon name="upload" />
      </span>
      <div>
        <h2 id={id}>
          <span class="for-mouse">Drop clips here</span>
          <span class="for-touch">Add your clips</span>
        </h2>
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
