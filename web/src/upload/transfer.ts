import type { Failure } from "../api/failure";
import type { VideoStatus, Visibility } from "../api/types";
import type { Begun } from "./sender";
import { titleFrom, type Verdict } from "./preflight";

/** Where a chosen clip stands on its way from this page to READY. */
export type Phase =
  "checking" | "refused" | "draft" | "starting" | "sending" | "paused" | "waiting" | "processing" | "ended" | "failed";

/** What its owner says of a clip before it is sent. */
export interface Details {
  title: string;
  description: string;
  category: string;
  visibility: Visibility;
  publish: boolean;
}

export interface Transfer extends Details {
  id: string;
  file: File;
  phase: Phase;
  verdict: Verdict | null;
  fingerprint: string;
  sentBytes: number;
  bytesPerSecond: number | null;
  /** The own video that this is uploaded into again. */
  into: string;
  begun: Begun | null;
  /** The video that was made for this upload, and goes with it where it is given up; empty where it was there before. */
  made: string;
  failure: Failure | null;
  status: VideoStatus | null;
}

/** A file that was just chosen, with details to begin with. */
export function chosen(file: File, categories: string[]): Transfer {
  return {
    id: crypto.randomUUID(),
    file,
    phase: "checking",
    verdict: null,
    fingerprint: "",
    title: titleFrom(file.name),
    description: "",
    category: categories[0] ?? "",
    visibility: "public",
    publish: true,
    sentBytes: 0,
    bytesPerSecond: null,
    into: "",
    begun: null,
    made: "",
    failure: null,
    status: null,
  };
}

/** Whether something is still to be done with a clip here. */
export function isOpen({ phase }: Transfer): boolean {
  return phase !== "ended" && phase !== "refused";
}

export function isSameFile(one: File, other: File): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

/** Whether bytes are on their way, or would be if there were a connection. */
export function isUnderWay({ phase }: Transfer): boolean {
  return phase === "starting" || phase === "sending" || phase === "paused" || phase === "waiting";
}

/** Phases in a word, for the card and for whoever listens to it. */
export const PHASES: Record<Phase, string> = {
  checking: "Looking at the file",
  refused: "Not taken",
  draft: "Not uploaded yet",
  starting: "Starting",
  sending: "Uploading",
  paused: "Paused",
  waiting: "Waiting for the connection",
  processing: "Uploaded",
  ended: "Done",
  failed: "Upload failed",
};
