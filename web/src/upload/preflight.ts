import { bytes, span } from "../format";
import { type Head, readHead } from "./boxes";

export const LONGEST_MS = 30_000;
export const LARGEST_BYTES = 157_286_400;
const MOST_PIXELS = 4096 * 2304;
/** What a clip may be over by this page's own reading: the platform measures finer, and it decides. */
const DOUBT_MS = 50;

const CODECS: Record<string, string> = {
  ...{ avc1: "H.264", avc3: "H.264", hvc1: "H.265", hev1: "H.265", dvh1: "H.265", dvhe: "H.265", dva1: "H.264" },
  ...{ vp08: "VP8", vp09: "VP9", av01: "AV1", mp4v: "MPEG-4 Visual", s263: "H.263", jpeg: "Motion JPEG" },
  ...{ apch: "ProRes", apcn: "ProRes", apcs: "ProRes", apco: "ProRes", ap4h: "ProRes", ap4x: "ProRes" },
};
const PLAYABLE = ["H.264", "H.265"];

export type Verdict =
  | { fit: true; contentType: "video/mp4" | "video/quicktime"; durationMs: number | null; note: string }
  | { fit: false; reason: string; advice: string };

/** Whether the platform would take a file, as far as its first look tells. Reads a few kB, sends nothing. */
export async function preflight(file: File): Promise<Verdict> {
  if (file.size === 0) return refused("The file is empty.", "Choose another file.");
  if (file.size > LARGEST_BYTES) {
    return refused(
      `${bytes(file.size)}, but a clip has at most ${bytes(LARGEST_BYTES)} (150 MiB).`,
      "Export it with a lower bit rate or a smaller picture.",
    );
  }
  return judge(await readHead(file), file);
}

/** The verdict on what a file's head says. */
export function judge(head: Head | null, file: { size: number; type: string }): Verdict {
  if (!head) {
    const kind = file.type && !file.type.startsWith("video/") ? ` (${file.type})` : "";
    return refused(`This is no MP4 or MOV video${kind}.`, "Choose an .mp4 or .mov file, or convert it to MP4.");
  }
  if (head.cutOff) {
    return refused("Part of the file is missing: nothing can play it.", "Copy or export it again, and choose that.");
  }
  const codec = head.codec === undefined ? undefined : (CODECS[head.codec] ?? head.codec);
  if (codec !== undefined && !PLAYABLE.includes(codec)) {
    return refused(`The video is ${codec}; it needs to be H.264 or H.265.`, "Export it as H.264 and choose it again.");
  }
  const durationMs = head.durationMs ?? null;
  if (durationMs !== null && durationMs > LONGEST_MS + DOUBT_MS) {
    return refused(
      `${span(durationMs)} long, but a clip has at most ${LONGEST_MS / 1000} s.`,
      `Trim ${span(durationMs - LONGEST_MS)} and choose it again.`,
    );
  }
  const { width = 0, height = 0 } = head;
  if (width * height > MOST_PIXELS) {
    return refused(
      `${width}×${height} pixels, but a frame has at most 4096×2304.`,
      "Export it with a smaller picture.",
    );
  }
  const facts = [durationMs === null ? "" : span(durationMs), width ? `${width}×${height}` : "", codec ?? ""];
  const note = [...facts, bytes(file.size)].filter(Boolean).join(" · ");
  return { fit: true, contentType: head.quickTime ? "video/quicktime" : "video/mp4", durationMs, note };
}

function refused(reason: string, advice: string): Verdict {
  return { fit: false, reason, advice };
}

/** "IMG_0042 goal.mov" → "IMG 0042 goal": a first title, to be changed. */
export function titleFrom(filename: string): string {
  const words = filename
    .replace(/\.[^.]*$/, "")
    .replace(/[_\s]+/g, " ")
    .trim();
  return (
    [...new Intl.Segmenter("en").segment(words)]
      .slice(0, 80)
      .map(({ segment }) => segment)
      .join("")
      .trim() || "A clip"
  );
}
