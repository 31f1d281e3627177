export interface Claims {
  userId: string;
  tier: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** What a JWT says of its user; nobody (an empty id) where it is none. The API checks it, this page only reads. */
export function claimsOf(token: string): Claims {
  try {
    const body = atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const claims = JSON.parse(body) as { sub?: string; tier?: string; exp?: number };
    return { userId: claims.sub ?? "", tier: claims.tier ?? "free", expiresAt: (claims.exp ?? 0) * 1000 };
  } catch {
    return { userId: "", tier: "free", expiresAt: 0 };
  }
}
