/** Tokens that the app around Studio hands over by `postMessage`. `ask` tells it that one is wanted. */
export function hostedTokens(origins: string[], take: (token: string, name: string) => void): { ask(): void } {
  const host = window.opener instanceof Object ? (window.opener as Window) : window.parent;
  const hosted = origins.length > 0 && host !== window;
  if (hosted) {
    window.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (event.source !== host || !origins.includes(event.origin)) return;
      const { type, token, name } = (event.data ?? {}) as Record<string, unknown>;
      if (type === "nextplay:token" && typeof token === "string") take(token, typeof name === "string" ? name : "");
    });
  }
  return {
    ask() {
      if (hosted) for (const origin of origins) host.postMessage({ type: "nextplay:token-wanted" }, origin);
    },
  };
}
