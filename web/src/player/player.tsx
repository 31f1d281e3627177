import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Failure } from "../api/failure";
import { Trouble } from "../ui/parts";
import type { Attached, Level } from "./hls";

interface PlayerProps {
  title: string;
  /** Address of the HLS master playlist. */
  url: string;
  poster?: string;
  autoplay?: boolean;
  /** Asks for fresh addresses; the present ones may have run out. */
  renew?: () => void;
}

const HLS = "application/vnd.apple.mpegurl";
const UNPLAYABLE = new Failure(
  "UNPLAYABLE",
  "The video cannot be played just now.",
  "Check the connection and try again.",
);

/** Plays a video: natively where the browser is Safari, else by hls.js with a choice of quality. */
export function Player({ title, url, poster, autoplay = false, renew }: PlayerProps) {
  const video = useRef<HTMLVideoElement>(null);
  const attached = useRef<Attached | null>(null);
  const place = useRef(0);
  const [levels, setLevels] = useState<Level[]>([]);
  const [playing, setPlaying] = useState(-1);
  const [chosen, setChosen] = useState(-1);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    const element = video.current;
    if (!element || failed) return;
    let left = false;
    const fail = () => {
      place.current = element.currentTime;
      setFailed(true);
    };
    async function open(element: HTMLVideoElement) {
      if (isSafari(element)) {
        element.src = url;
        element.onerror = fail;
      } else {
        const hls = await import("./hls");
        if (left) return;
        if (!hls.isSupported()) return fail();
        attached.current = hls.attach(element, url, { levels: setLevels, plays: setPlaying, failed: fail });
      }
      if (place.current) element.currentTime = place.current;
      if (autoplay) await element.play().catch(() => undefined); // a browser may want a click first
    }
    open(element).catch(fail);
    return () => {
      left = true;
      attached.current?.close();
      attached.current = null;
      element.onerror = null;
    };
  }, [url, failed]);

  function choose(level: number) {
    setChosen(level);
    attached.current?.choose(level);
  }
  function again() {
    setFailed(false);
    renew?.();
  }
  if (failed) return <Trouble error={UNPLAYABLE} again={again} />;
  return (
    <div class="player">
      <video
        ref={video}
        class="player-video"
        controls
        playsInline
        preload="metadata"
        poster={poster}
        onPlay={(event) => pauseOthers(event.currentTarget)}
        aria-label={title}
      />
      {levels.length > 1 && <Quality levels={levels} playing={playing} chosen={chosen} choose={choose} title={title} />}
    </div>
  );
}

interface QualityProps {
  levels: Level[];
  playing: number;
  chosen: number;
  choose: (level: number) => void;
  title: string;
}

function Quality({ levels, playing, chosen, choose, title }: QualityProps) {
  const id = useId();
  const now = levels.find(({ index }) => index === playing);
  return (
    <div class="player-bar">
      <label for={id}>
        Quality<span class="hidden"> of {title}</span>
      </label>
      <select id={id} value={String(chosen)} onChange={(event) => choose(Number(event.currentTarget.value))}>
        <option value="-1">{now ? `Auto (${now.lines}p)` : "Auto"}</option>
        {[...levels].reverse().map(({ index, lines }) => (
          <option key={index} value={String(index)}>
            {lines}p
          </option>
        ))}
      </select>
    </div>
  );
}

function pauseOthers(playing: HTMLVideoElement) {
  for (const video of document.querySelectorAll<HTMLVideoElement>(".player-video"))
    if (video !== playing) video.pause();
}

/** Other browsers may play HLS natively too by now, but leave no choice of quality. */
function isSafari(video: HTMLVideoElement): boolean {
  return "webkitEnterFullscreen" in video && "GestureEvent" in window && video.canPlayType(HLS) !== "";
}
