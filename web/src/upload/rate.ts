const WINDOW_MS = 8000;

/** Bytes in a second over the last seconds, from how many were sent when. */
export function rateMeter(now: () => number = () => performance.now()) {
  let samples: [number, number][] = [];
  return {
    /** Notes that `sent` bytes are sent by now, and answers bytes per second; null while it cannot be told. */
    note(sent: number): number | null {
      const time = now();
      const last = samples.at(-1);
      if (last && sent < last[1]) samples = [];
      samples.push([time, sent]);
      while (samples.length > 2 && samples[0]![0] < time - WINDOW_MS) samples.shift();
      const [from, before] = samples[0]!;
      return time - from < 500 ? null : ((sent - before) / (time - from)) * 1000;
    },
    restart() {
      samples = [];
    },
  };
}
