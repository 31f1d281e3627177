import { Failure } from "../api/failure";

/** A token of the issuer that the local platform runs. Throws `Failure` where it does not answer. */
export async function localToken(tokenUrl: string, user: string, tier: string): Promise<string> {
  try {
    const reply = await fetch(tokenUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user, tier }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!reply.ok) throw new Error(`it answers ${reply.status}`);
    return ((await reply.json()) as { token: string }).token;
  } catch {
    throw new Failure("UNREACHABLE", "The local token issuer does not answer.", "See whether the platform runs.");
  }
}
