import type { Status } from "../api/types";
import { STATES } from "./states";

export function StatusPill({ status }: { status: Status }) {
  const { word, tone } = STATES[status];
  return <span class={`pill pill-${tone}`}>{word}</span>;
}
