// hls.js, in a chunk of its own that is loaded when the first video plays.
import Hls from "hls.js/light";

export interface Level {
  /** Which of the stream's levels it is, for `choose`. */
  index: number;
  /** The short edge, as a person names a quality: 720. */
  lines: number;
}

export interface Attached {
  /** Plays one quality, or with -1 what the line can carry. */
  choose(level: number): void;
  close(): void;
}

interface Heard {
  levels(levels: Level[]): void;
  /** Which level plays now. */
  plays(index: number): void;
  /** It cannot go on by itself. */
  failed(): void;
}

/** Whether this browser needs hls.js, and can run it. */
export function isSupported(): boolean {
  return Hls.isSupported();
}

/** A clip has few segments, so the first is chosen by a guess instead of by a try with the lowest quality. */
const GUESS = { testBandwidth: false, abrEwmaDefaultEstimate: 4_000_000 };

/** Plays a stream in a video element. */
export function attach(video: HTMLVideoElement, url: string, heard: Heard): Attached {
  // Its worker would come from a blob: address, which the page's policy refuses; clips are short enough without.
  const hls = new Hls({ enableWorker: false, capLevelToPlayerSize: true, ...GUESS });
  let repaired = false;
  hls.on(Hls.Events.MANIFEST_PARSED, (_event, { levels }) => {
    heard.levels(levels.map(({ width, height }, index) => ({ index, lines: Math.min(width, height) })));
  });
  hls.on(Hls.Events.LEVEL_SWITCHED, (_event, { level }) => heard.plays(level));
  hls.on(Hls.Events.ERROR, (_event, { fatal, type }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && !repaired) {
      repaired = true;
      hls.recoverMediaError();
    } else heard.failed();
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    choose(level) {
      hls.currentLevel = level; // at once: there may be no next segment
      // A browser shows what it was showing until the next key frame, unless it seeks.
      hls.once(Hls.Events.FRAG_BUFFERED, () => (video.currentTime += 0));
    },
    close: () => hls.destroy(),
  };
}
