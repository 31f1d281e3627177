import { type Api, told } from "../api/client";

export interface Signed {
  url: string;
  headers: Record<string, string>;
}

interface Wanted {
  partNumber: number;
  length: number;
  settle: { resolve(signed: Signed): void; reject(reason: unknown): void };
}

const MOST_AT_ONCE = 30;
/** What browsers set themselves, and let nobody else set. */
const OF_THE_BROWSER = ["content-length", "host"];

/** Signs parts: those that are asked for at the same moment by one request. */
export function signedParts(api: Api) {
  const waiting = new Map<string, Wanted[]>();

  async function flush(uploadId: string) {
    const wanted = waiting.get(uploadId) ?? [];
    const batch = wanted.slice(0, MOST_AT_ONCE);
    waiting.delete(uploadId);
    if (wanted.length > batch.length) waiting.set(uploadId, wanted.slice(MOST_AT_ONCE));
    try {
      const { parts } = await told(
        api.POST("/v1/uploads/{upload_id}/parts/presign-batch", {
          params: { path: { upload_id: uploadId } },
          body: { parts: batch.map(({ partNumber, length }) => ({ part_number: partNumber, content_length: length })) },
        }),
      );
      for (const [index, part] of parts.entries()) {
        const headers = part.headers.filter(({ name }) => !OF_THE_BROWSER.includes(name.toLowerCase()));
        batch[index]?.settle.resolve({
          url: part.presigned_url,
          headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])),
        });
      }
    } catch (error) {
      for (const { settle } of batch) settle.reject(error);
    }
    if (waiting.has(uploadId)) await flush(uploadId);
  }

  return (uploadId: string, partNumber: number, length: number): Promise<Signed> =>
    new Promise((resolve, reject) => {
      const wanted = { partNumber, length, settle: { resolve, reject } };
      const others = waiting.get(uploadId);
      if (others) others.push(wanted);
      else {
        waiting.set(uploadId, [wanted]);
        setTimeout(() => void flush(uploadId), 0);
      }
    });
}
