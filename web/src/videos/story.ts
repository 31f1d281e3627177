import type { TimelineEntry } from "../api/types";
import { bytes, capital, span } from "../format";
import type { Tone } from "./states";

/** An entry of the timeline as a person reads it. */
export interface Chapter {
  title: string;
  text: string;
  tone: Tone;
}

type Facts = Record<string, string>;

interface Telling {
  title: string;
  tone: Tone;
  text?: (facts: Facts, entry: TimelineEntry) => string;
}

const TELLINGS: Record<string, Telling> = {
  ClaimVideoForUpload: { title: "Upload announced", tone: "calm" },
  UploadStarted: {
    title: "Upload began",
    tone: "busy",
    text: ({ size_bytes }) => (size_bytes ? `${bytes(Number(size_bytes))} to send.` : ""),
  },
  UploadCompleted: {
    title: "Upload complete",
    tone: "good",
    text: ({ size_bytes }, { since_previous_ms }) =>
      size_bytes ? `${bytes(Number(size_bytes))} stored${speed(Number(size_bytes), since_previous_ms)}.` : "",
  },
  UploadAborted: { title: "Upload given up", tone: "calm" },
  UploadExpired: { title: "Upload expired", tone: "bad", text: () => "Not all parts came within an hour." },
  UploadFailed: { title: "Upload failed", tone: "bad" },
  OriginalLost: { title: "Original file lost", tone: "bad", text: () => "A retry is no longer possible." },
  VideoRetryRequested: { title: "Processing asked for again", tone: "busy" },
  TranscodeStarted: {
    title: "Processing began",
    tone: "busy",
    text: (facts, { attempt }) =>
      [attempt && attempt > 1 ? `Attempt ${attempt}.` : "", measured(facts)].filter(Boolean).join(" "),
  },
  TranscodeRetryScheduled: { title: "Processing will be tried again", tone: "busy" },
  TranscodeCompleted: {
    title: "Ready",
    tone: "good",
    text: (facts) =>
      [facts["run_ms"] ? `Processed in ${span(Number(facts["run_ms"]))}.` : "", made(facts)].filter(Boolean).join(" "),
  },
  TranscodeFailed: { title: "Processing failed", tone: "bad" },
  VideoRejected: { title: "Clip rejected", tone: "bad" },
  PublishVideo: {
    title: "Published",
    tone: "good",
    text: ({ visibility }) => (visibility ? `${capital(visibility)}.` : ""),
  },
  UpdateVideo: { title: "Details changed", tone: "calm" },
  RetryVideo: { title: "Retry asked for", tone: "busy" },
  DeleteVideo: { title: "Deleted", tone: "calm" },
  ArchiveVideo: { title: "Archived", tone: "calm", text: () => "It was left unpublished for too long." },
};

/** What is of no use to a person, or is in the message. */
const SILENT =
  /^(run_id|output_s3_prefix|queued_at|expires_at|original_expires_at|tier|.* size_bytes|code|stage|measured|limit|upload_id)$/;
const IGNORED: Record<string, string> = {
  repeat: "It was known already.",
  "older generation": "It belongs to an earlier upload and changed nothing.",
  deleted: "The video was deleted by then.",
};

/** The story of an entry: a title, and what was measured or said in sentences. */
export function chapterOf(entry: TimelineEntry): Chapter {
  const facts: Facts = Object.fromEntries(entry.facts.map(({ name, value }) => [name, value]));
  const telling = TELLINGS[entry.event];
  const wished = entry.event === "PublishVideo" && facts["when_ready"] === "true";
  const text = [telling?.text?.(facts, entry), facts["message"] ?? "", telling?.text ? "" : remaining(facts)];
  return {
    title: wished ? "To be published when ready" : (telling?.title ?? entry.event),
    text: [...text, IGNORED[entry.ignored] ?? ""].filter(Boolean).join(" "),
    tone: entry.ignored || wished ? "calm" : (telling?.tone ?? "calm"),
  };
}

function speed(size: number, milliseconds: number): string {
  return milliseconds > 0 ? `, ${bytes((size / milliseconds) * 1000)}/s` : "";
}

function measured({ duration_ms, width, height, fps, video_codec, audio_codec }: Facts): string {
  const picture = width && height ? `${width}×${height}` : "";
  const rate = fps ? `${Number(fps).toFixed(fps.endsWith(".0") ? 0 : 2)} frames a second` : "";
  const codecs = [video_codec, audio_codec].filter(Boolean).join(" and ");
  const found = [duration_ms ? span(Number(duration_ms)) : "", picture, rate, codecs].filter(Boolean);
  return found.length > 0 ? `Measured: ${found.join(", ")}.` : "";
}

function made(facts: Facts): string {
  const sizes = Object.entries(facts).flatMap(([name, value]) => {
    const rung = /^MP4_(\d+) size_bytes$/.exec(name)?.[1];
    return rung ? [`${rung}p ${bytes(Number(value))}`] : [];
  });
  return sizes.length > 0 ? `Made: ${sizes.join(", ")}.` : "";
}

function remaining(facts: Facts): string {
  const said = Object.entries(facts).filter(([name, value]) => value && name !== "message" && !SILENT.test(name));
  return said.map(([name, value]) => `${capital(name.replaceAll("_", " "))}: ${value}.`).join(" ");
}
