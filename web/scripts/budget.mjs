// Fails when the JavaScript that loads before a video plays is more than 250 kB gzipped. Chunks that are loaded on
// demand (the player) are listed and do not count.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 250_000;
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, "utf8"));

const loaded = new Set();
function load(key) {
  if (loaded.has(key)) return;
  loaded.add(key);
  for (const imported of manifest[key].imports ?? []) load(imported);
}
load("index.html");

const sizes = Object.entries(manifest)
  .filter(([, chunk]) => chunk.file.endsWith(".js"))
  .map(([key, chunk]) => ({ key, file: chunk.file, bytes: gzipSync(readFileSync(dist + chunk.file)).length }));
for (const { key, file, bytes } of sizes) {
  console.log(`${(bytes / 1000).toFixed(1).padStart(7)} kB  ${file}${loaded.has(key) ? "" : "  (on demand)"}`);
}
const total = sizes.filter(({ key }) => loaded.has(key)).reduce((sum, { bytes }) => sum + bytes, 0);
console.log(
  `${(total / 1000).toFixed(1).padStart(7)} kB  gzipped before a video plays; at most ${BUDGET_BYTES / 1000} kB`,
);
if (total > BUDGET_BYTES) {
  console.error(`Studio's JavaScript is ${total} bytes gzipped; at most ${BUDGET_BYTES} are allowed.`);
  process.exit(1);
}
