import { span } from "../format";

/** Something that did not work, in words for a person: what happened, and what to do next. */
export class Failure extends Error {
  override name = "Failure";
  constructor(
    /** Stable, for programs: a code of the API, or `UNREACHABLE`, `TIMEOUT`, `UNEXPECTED` of this page. */
    readonly code: string,
    detail: string,
    readonly nextAction: string,
    /** HTTP status; 0 where there was no answer. */
    readonly status = 0,
    /** What to report where the failure is the platform's. */
    readonly traceId: string | null = null,
  ) {
    super(detail);
  }

  /** Whether the same request may succeed in a moment, without anybody doing anything. */
  get passes(): boolean {
    return ["UNREACHABLE", "TIMEOUT"].includes(this.code) || this.status === 408 || this.status >= 500;
  }
}

/**
 * The failure that an answer tells; also of a proxy in between, which knows no problem details. `retryAfter` is its
 * header Retry-After, in seconds. When to try again is told here in words for a person; the API's are for programs.
 */
export function failureOf(status: number, body: unknown, retryAfter: string | null = null): Failure {
  const seconds = Number(retryAfter);
  const moment = status >= 500 ? "Try again in a moment." : "";
  const later = status === 429 && seconds > 0 ? `Try again in ${span(seconds * 1000)}.` : moment;
  const problem = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof problem[name] === "string" ? (problem[name] as string) : "");
  return new Failure(
    text("code") || "UNEXPECTED",
    text("detail") || `The platform answered with status ${status}.`,
    later || text("next_action") || "Reload the page and try again.",
    status,
    status >= 500 ? text("trace_id") || null : null,
  );
}

/** Any thrown thing as a failure: what fetch throws says that nobody answered. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new Failure("TIMEOUT", "The platform did not answer in time.", "Try again in a moment.");
  }
  if (error instanceof TypeError) {
    const offline = typeof navigator !== "undefined" && !navigator.onLine;
    return offline
      ? new Failure("UNREACHABLE", "You are offline.", "It goes on when you are back online.")
      : new Failure("UNREACHABLE", "The platform cannot be reached.", "Check the connection and try again.");
  }
  return new Failure("UNEXPECTED", error instanceof Error ? error.message : String(error), "Try again.");
}
