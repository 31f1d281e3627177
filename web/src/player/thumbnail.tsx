import { useRef, useState } from "preact/hooks";
import { clock } from "../format";
import { Icon } from "../ui/icon";

interface ThumbnailProps {
  poster?: string | undefined;
  preview?: string | undefined;
  durationMs?: number | undefined;
}

/** A video's picture, which moves while the pointer or the focus is on the card around it. */
export function Thumbnail({ poster, preview, durationMs }: ThumbnailProps) {
  const [moving, setMoving] = useState(false);
  const [broken, setBroken] = useState(false);
  const box = useRef<HTMLSpanElement>(null);
  const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  return (
    <span
      ref={box}
      class="thumbnail"
      onPointerEnter={(event) => event.pointerType === "mouse" && !isCalm() && setMoving(true)}
      onPointerLeave={() => setMoving(false)}
      onFocusCapture={() => setMoving(!isCalm())}
      onBlurCapture={() => setMoving(false)}
    >
      {poster && !broken ? (
        <img src={poster} alt="" loading="lazy" decoding="async" onError={() => setBroken(true)} />
      ) : (
        <span class="thumbnail-none">
          <Icon name="film" />
        </span>
      )}
      {moving && preview && (
        <video class="thumbnail-preview" src={preview} muted autoPlay loop playsInline aria-hidden="true" />
      )}
      {durationMs !== undefined && <span class="thumbnail-length">{clock(durationMs)}</span>}
    </span>
  );
}
