import { useEffect, useId, useRef, useState } from "preact/hooks";
import { asFailure, Failure } from "../api/failure";
import { Trouble } from "../ui/parts";
import type { Attached, Level } from "./hls";
import type { Source } from "./source";

interface PlayerProps {
  title: string;
  /** What is played to begin with; a later one is not looked at. */
  source: Source;
  poster?: string;
  autoplay?: boolean;
  /** Asks for a fresh address: they work for 15 minutes, and a page may be open for longer. */
  renew: () => Promise<Source>;
}

const HLS = "application/vnd.apple.mpegurl";
const UNPLAYABLE = new Failure(
  "UNPLAYABLE",
  "The video cannot be played just now.",
  "Check the connection and try again.",
);
/** What does not play with a fresh address does not for want of one. */
const RENEWED_AT_MOST_EVERY_MS = 60_000;

/** Plays a video: a stream natively where the browser is Safari, else by hls.js with a choice of quality. An address
 * that has run out is replaced without a word. */
export function Player({ title, source: first, poster, autoplay = false, renew }: PlayerProps) {
  const video = useRef<HTMLVideoElement>(null);
  const attached = useRef<Attached | null>(null);
  const place = useRef({ seconds: 0, plays: autoplay });
  const renewed = useRef(-Infinity);
  const [source, setSource] = useState(first);
  const [levels, setLevels] = useState<Level[]>([]);
  const [playing, setPlaying] = useState(-1);
  const [chosen, setChosen] = useState(-1);
  const [failure, setFailure] = useState<Failure | null>(null);

  async function open(element: HTMLVideoElement, leaving: AbortSignal, fail: () => void) {
    if (source.kind === "MP4" || isSafari(element)) {
      element.onerror = fail;
      element.src = source.url;
    } else {
      const hls = await import("./hls");
      if (leaving.aborted) return;
      if (!hls.isSupported()) return fail();
      attached.current = hls.attach(element, source.url, { levels: setLevels, plays: setPlaying, failed: fail });
    }
    if (place.current.seconds) element.currentTime = place.current.seconds;
    if (place.current.plays) await element.play().catch(() => undefined); // a browser may want a click first
  }

  /** Plays on from a fresh address, where one can be had. */
  async function again() {
    renewed.current = performance.now();
    await renew().then(
      (fresh) => {
        setFailure(null);
        setLevels([]);
        setChosen(-1);
        setSource({ ...fresh });
      },
      (error: unknown) => setFailure(asFailure(error)),
    );
  }

  useEffect(() => {
    const element = video.current;
    if (!element || failure) return;
    const leaving = new AbortController();
    function fail() {
      if (leaving.signal.aborted) return;
      leaving.abort();
      place.current = { seconds: element!.currentTime, plays: !element!.paused };
      if (performance.now() - renewed.current > RENEWED_AT_MOST_EVERY_MS) void again();
      else setFailure(UNPLAYABLE);
    }
    open(element, leaving.signal, fail).catch(fail);
    return () => {
      leaving.abort();
      attached.current?.close();
      attached.current = null;
      element.onerror = null;
      element.removeAttribute("src"); // else the browser keeps what it has loaded
      element.load();
    };
  }, [source, failure]);

  function choose(level: number) {
    setChosen(level);
    attached.current?.choose(level);
  }
  if (failure) return <Trouble error={failure} again={again} />;
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
