// hls.js on the URL of a video's asset of kind HLS. It needs no token: the URL holds its own.
import Hls from "hls.js";

const player = new Hls();
player.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
  document.querySelector("output").textContent = levels.map(({ height }) => `${height}p`).join(" ");
});
player.loadSource(new URLSearchParams(location.hash.slice(1)).get("playlist"));
player.attachMedia(document.querySelector("video"));
