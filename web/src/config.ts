/** What the server that gives Studio out says about the platform behind it; described in README.md. */
export interface Config {
  api: string;
  categories: string[];
  local_issuer: { token_url: string; users: { name: string; user_id: string }[] } | null;
  host_origins: string[];
}

const CATEGORIES = ["sports", "music", "gaming", "comedy", "education", "lifestyle", "news", "other"];

/** Reads `config.json` beside the page. Throws a sentence where it is not there. */
export async function readConfig(): Promise<Config> {
  const address = new URL("config.json", document.baseURI);
  const reply = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (!reply.ok) throw new Error(`Studio's configuration at ${address.pathname} answers ${reply.status}.`);
  const told = (await reply.json()) as Partial<Config>;
  return {
    api: told.api || location.origin,
    categories: told.categories ?? CATEGORIES,
    local_issuer: told.local_issuer ?? null,
    host_origins: told.host_origins ?? [],
  };
}
