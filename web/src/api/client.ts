import createClient from "openapi-fetch";
import { takeConnection } from "./connections";
import { asFailure, failureOf } from "./failure";
import type { paths } from "./schema";
import type { Session } from "../session";

const DEADLINE_MS = 20_000;

export type Api = ReturnType<typeof openApi>;

/** The REST API at `origin`, typed by its own description; each request carries the session's token and a deadline. */
export function openApi(origin: string, session: Pick<Session, "authorization" | "refused">) {
  /** What `send` brings with the session's token; with another one where that is refused and another can be had. */
  async function authorized(send: (authorization: string) => Promise<Response>): Promise<Response> {
    const authorization = session.authorization();
    const reply = await send(authorization);
    if (reply.status !== 401 || !(await session.refused(authorization))) return reply;
    return send(session.authorization());
  }
  const client = createClient<paths>({
    baseUrl: origin,
    fetch: (request: Request) =>
      authorized((authorization) => {
        const one = request.clone();
        one.headers.set("Authorization", authorization);
        return fetch(one, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(DEADLINE_MS)]) });
      }),
  });
  /** A stream of the API: without a deadline, after an event that was seen; null while others have all connections. */
  async function stream(path: string, lastEventId: string | null, signal: AbortSignal): Promise<Response | null> {
    if (!(await takeConnection(signal))) return null;
    return authorized((authorization) => {
      const headers = new Headers({ Authorization: authorization });
      if (lastEventId !== null) headers.set("Last-Event-ID", lastEventId);
      return fetch(`${origin}${path}`, { headers, signal, cache: "no-store" });
    });
  }
  return Object.assign(client, { stream });
}

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What an answer holds. Throws `Failure`: the problem that was told, or that nobody answered. */
export async function told<T>(reply: Promise<Reply<T>>): Promise<NonNullable<T>> {
  let settled: Reply<T>;
  try {
    settled = await reply;
  } catch (error) {
    throw asFailure(error);
  }
  if (!settled.response.ok) {
    throw failureOf(settled.response.status, settled.error, settled.response.headers.get("Retry-After"));
  }
  return settled.data as NonNullable<T>;
}
