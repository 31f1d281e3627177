import { useEffect, useRef, useState } from "preact/hooks";
import { clock } from "../format";
import { Icon } from "../ui/icon";

interface ThumbnailProps {
  poster?: string | undefined;
  preview?: string | undefined;
  durationMs?: number | undefined;
}

/** A video's picture, which moves while the pointer or the focus is on the link or button around it. */
export function Thumbnail({ poster, preview, durationMs }: ThumbnailProps) {
  const [moving, setMoving] = useState(false);
  const [broken, setBroken] = useState<string>(); // the address that did not work: a later one may
  const box = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const around = box.current?.closest("a, button");
    if (!around || !preview || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const leaving = new AbortController();
    for (const type of ["mouseenter", "focus"]) around.addEventListener(type, () => setMoving(true), leaving);
    for (const type of ["mouseleave", "blur"]) around.addEventListener(type, () => setMoving(false), leaving);
    return () => leaving.abort();
  }, [preview]);
  return (
    <span ref={box} class="thumbnail">
      {poster && poster !== broken ? (
        <img src={poster} alt="" loading="lazy" decoding="async" onError={() => setBroken(poster)} />
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
