import type { VideoStatus } from "../api/types";
import { remaining } from "../format";
import { STATES, type StepState, stepsOf } from "./states";

const SPOKEN: Record<StepState, string> = { done: "done", now: "now", ahead: "to come", wrong: "went wrong" };

/** How far a video is on its way, as it changes. */
export function Progress({ status, title }: { status: VideoStatus; title: string }) {
  const { word, sentence, tone } = STATES[status.status];
  const left = status.eta_seconds !== undefined ? remaining(status.eta_seconds) : "";
  const queue =
    status.queue_position !== undefined && status.queue_position > 0
      ? `${status.queue_position} ahead in the queue`
      : "";
  return (
    <div class="progress">
      <ol class="steps" aria-label={`Steps of ${title}`}>
        {stepsOf(status.status, status.reason).map(({ name, state }) => (
          <li key={name} class={`step step-${state}`} aria-current={state === "now" ? "step" : undefined}>
            <span>{name}</span>
            <span class="hidden">, {SPOKEN[state]}</span>
          </li>
        ))}
      </ol>
      {tone === "busy" && (
        <progress class="bar" max={100} value={status.progress} aria-label={`Processing of ${title}`}>
          {status.progress} %
        </progress>
      )}
      <p class="progress-text">
        <strong role="status">{word}</strong>
        <span>{[tone === "busy" ? `${status.progress} %` : sentence, queue, left].filter(Boolean).join(" · ")}</span>
      </p>
    </div>
  );
}
