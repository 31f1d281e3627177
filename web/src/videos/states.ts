import type { Status, VideoStatus } from "../api/types";

export type Tone = "calm" | "busy" | "good" | "bad";

interface State {
  word: string;
  tone: Tone;
  sentence: string;
}

/** The states of a video in words. */
export const STATES: Record<Status, State> = {
  DRAFT: { word: "Draft", tone: "calm", sentence: "No file is uploaded yet." },
  UPLOADING: { word: "Uploading", tone: "busy", sentence: "The file is being uploaded." },
  UPLOADED: { word: "In the queue", tone: "busy", sentence: "The file is stored and waits for processing." },
  PROCESSING: { word: "Processing", tone: "busy", sentence: "The clip is being made ready for every screen." },
  READY: { word: "Ready", tone: "good", sentence: "It can be published." },
  PUBLISHED: { word: "Published", tone: "good", sentence: "It is out." },
  PROCESSING_FAILED: { word: "Failed", tone: "bad", sentence: "Processing did not work." },
  REJECTED_TOO_LONG: { word: "Too long", tone: "bad", sentence: "The clip is too long." },
  REJECTED_FORMAT: { word: "Wrong format", tone: "bad", sentence: "The clip's format cannot be used." },
  DELETED: { word: "Deleted", tone: "calm", sentence: "It is deleted." },
};

/** What own videos can be filtered by, in the order of how often that is wanted. */
export const FILTERS: Status[] = [
  ...(["PUBLISHED", "READY", "PROCESSING", "UPLOADED", "UPLOADING", "DRAFT"] as const),
  ...(["PROCESSING_FAILED", "REJECTED_TOO_LONG", "REJECTED_FORMAT"] as const),
];

export type StepState = "done" | "now" | "ahead" | "wrong";

export interface Step {
  name: string;
  state: StepState;
}

const STEP_NAMES = ["Upload", "Queue", "Processing", "Ready", "Published"];
const PLACE: Partial<Record<Status, number>> = { UPLOADING: 0, UPLOADED: 1, PROCESSING: 2, READY: 3, PUBLISHED: 4 };

/** The way to publication as steps, with where a video stands on it. */
export function stepsOf(status: Status, reason?: VideoStatus["reason"]): Step[] {
  if (STATES[status].tone === "bad") {
    const wrong = reason?.stage === "upload" ? 0 : 2;
    return STEP_NAMES.map((name, index) => ({
      name,
      state: index < wrong ? "done" : index === wrong ? "wrong" : "ahead",
    }));
  }
  const place = PLACE[status] ?? -1;
  const reached = status === "READY" || status === "PUBLISHED";
  return STEP_NAMES.map((name, index) => {
    if (index < place || (index === place && reached)) return { name, state: "done" };
    return { name, state: index === place ? "now" : "ahead" };
  });
}

/** Whether a video changes without its owner doing anything. */
export function isMoving(status: Status): boolean {
  return STATES[status].tone === "busy";
}
