// hls.js without subtitles, other audio tracks and DRM: a third smaller. It has the types of the whole.
declare module "hls.js/light" {
  export { default } from "hls.js";
}
