const SAMPLE_BYTES = 1024 * 1024;
const MARK = "studio-1";

/**
 * What names a file by its contents: its size and a SHA-256 of its first and last MiB. The name and time are no part
 * of it, since a phone gives the same clip another name each time it is chosen.
 */
export async function fingerprint(file: Blob): Promise<string> {
  const ends = new Blob([file.slice(0, SAMPLE_BYTES), file.slice(Math.max(0, file.size - SAMPLE_BYTES))]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await ends.arrayBuffer()));
  return `${MARK}:${file.size}:${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Whether an upload was begun by Studio, so that a file can be compared with it. */
export function isOurs(print: string | undefined): boolean {
  return print?.startsWith(`${MARK}:`) ?? false;
}
