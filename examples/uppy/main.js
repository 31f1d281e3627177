// Uppy's own S3 plugin, as it is published, on NextPlay's endpoints: each of its multipart steps is one of ours.
import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";

const MIB = 1024 * 1024;

/** An Uppy that uploads clips for the bearer of `token`; `videoOf(file)` is the id of the video that a file becomes. */
export function clipUploader(api, token) {
  async function call(method, path, body, signal) {
    const reply = await fetch(`${api}${path}`, {
      method,
      signal,
      headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const answer = reply.status === 204 ? null : await reply.json();
    if (!reply.ok) throw new Error(`${answer.code}: ${answer.detail} ${answer.next_action}`);
    return answer;
  }

  const uppy = new Uppy({ restrictions: { allowedFileTypes: ["video/mp4", "video/quicktime"], maxFileSize: 150 * MIB } });
  uppy.use(AwsS3, {
    shouldUseMultipart: true,
    limit: 3,
    getChunkSize: () => 10 * MIB,
    async createMultipartUpload(file) {
      const upload = await call("POST", "/v1/uploads/initiate", {
        title: file.meta.title,
        category: file.meta.category,
        filename: file.name,
        content_type: file.type,
        file_size_bytes: file.size,
      });
      return { uploadId: upload.upload_id, key: upload.video_id };
    },
    async signPart(file, { uploadId, partNumber, body, signal }) {
      const part = { part_number: partNumber, content_length: body.size };
      const signed = await call("POST", `/v1/uploads/${uploadId}/parts/presign`, part, signal);
      // What the URL signs has to be sent. A browser sets Content-Length by itself and lets nobody else.
      const sent = signed.headers.filter(({ name }) => name.toLowerCase() !== "content-length");
      return { url: signed.presigned_url, headers: Object.fromEntries(sent.map(({ name, value }) => [name, value])) };
    },
    async listParts(file, { uploadId, signal }) {
      const upload = await call("GET", `/v1/uploads/${uploadId}`, undefined, signal);
      return upload.parts_received.map((part) => ({
        PartNumber: part.part_number,
        Size: part.size_bytes,
        ETag: part.etag,
      }));
    },
    async completeMultipartUpload(file, { uploadId, parts, signal }) {
      const sent = parts.map((part) => ({ part_number: part.PartNumber, etag: part.ETag }));
      await call("POST", `/v1/uploads/${uploadId}/complete`, { parts: sent }, signal);
      return {};
    },
    async abortMultipartUpload(file, { uploadId }) {
      await call("DELETE", `/v1/uploads/${uploadId}`);
    },
  });
  return uppy;
}

// The page beside this file: uploads what is chosen, by an API and a token from its address.
const { api, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const uppy = clipUploader(api, token);
const show = (text) => (document.querySelector("output").textContent = text);
document.querySelector("input").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  uppy.addFile({ name: file.name, type: file.type, data: file, meta: { title: "By Uppy", category: "sports" } });
  uppy.upload();
});
let stored = false;
// Uppy gathers progress, so the last of it may be told after the success.
uppy.on("progress", (percent) => stored || show(`${percent} %`));
uppy.on("upload-success", (file) => {
  stored = true;
  show(`stored ${file.s3Multipart.key}`);
});
uppy.on("upload-error", (file, error) => show(`failed ${error.message}`));
