/** A browser opens six connections to a host over HTTP/1.1, for all its tabs together; two are left for requests. */
const STREAMS = ["nextplay.stream.1", "nextplay.stream.2", "nextplay.stream.3", "nextplay.stream.4"];

/** Takes one of the connections that streams may have, until `signal` is aborted; false where other streams, of this
 * tab or of others, have all of them. */
export async function takeConnection(signal: AbortSignal): Promise<boolean> {
  for (const name of STREAMS) if (await take(name, signal)) return true;
  return false;
}

function take(name: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && released(signal);
      })
      .catch(reject);
  });
}

function released(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve());
    if (signal.aborted) resolve();
  });
}
