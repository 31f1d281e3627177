/** What the head of an MP4 or QuickTime file says of its picture; `codec` is the four letters of its sample entry. */
export interface Head {
  quickTime: boolean;
  /** The file ends without the box that tells what is in it, as one does that was cut off: nothing can play it. */
  cutOff?: true;
  codec?: string;
  /** What is shown of the video track, after edit lists; absent in a fragmented file. */
  durationMs?: number;
  width?: number;
  height?: number;
}

const TOP = ["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "uuid", "moof", "sidx", "styp", "meta", "pdin"];
const LONGEST_MOOV = 16 * 1024 * 1024;
const MOST_BOXES = 200;

/**
 * Reads a file's boxes up to `moov`, wherever that is, without what lies between. Nothing where the file is no
 * MP4 or QuickTime at all; a head without codec where it has no video track, or none that could be found.
 */
export async function readHead(file: Blob): Promise<Head | null> {
  let brand = "";
  let offset = 0;
  let count = 0;
  for (; offset + 8 <= file.size && count < MOST_BOXES; count++) {
    const bytes = await view(file.slice(offset, offset + 16));
    const type = fourLetters(bytes, 4);
    if (!TOP.includes(type)) return count === 0 ? null : { quickTime: brand !== "" ? brand === "qt  " : true };
    let size = bytes.getUint32(0);
    let header = 8;
    if (size === 1) {
      size = Number(bytes.getBigUint64(8));
      header = 16;
    } else if (size === 0) size = file.size - offset;
    if (size < header) return null;
    if (type === "ftyp") brand = fourLetters(await view(file.slice(offset + 8, offset + 12)), 0);
    const quickTime = brand === "qt  " || brand === "";
    if (type === "moov") {
      const moov = await view(file.slice(offset + header, offset + Math.min(size, LONGEST_MOOV)));
      return { quickTime, ...pictureOf(moov) };
    }
    offset += size;
  }
  if (count === 0) return null;
  return { quickTime: brand === "qt  ", ...(count < MOST_BOXES && { cutOff: true }) };
}

function pictureOf(moov: DataView): Omit<Head, "quickTime"> {
  const boxes = children(moov);
  const movieScale = scaleOf(boxes.find(({ type }) => type === "mvhd")?.body);
  for (const { body } of boxes.filter(({ type }) => type === "trak")) {
    const track = children(body);
    const media = children(inside(track, "mdia"));
    const handler = inside(media, "hdlr");
    if (handler.byteLength < 12 || fourLetters(handler, 8) !== "vide") continue;
    const samples = inside(children(inside(media, "minf")), "stbl");
    const entries = inside(children(samples), "stsd");
    const durationMs = shown(inside(children(inside(track, "edts")), "elst"), movieScale) || lengthOf(media);
    const head: Omit<Head, "quickTime"> = {};
    if (durationMs > 0) head.durationMs = durationMs;
    if (entries.byteLength >= 44) {
      head.codec = fourLetters(entries, 12);
      head.width = entries.getUint16(40);
      head.height = entries.getUint16(42);
    }
    return head;
  }
  return {};
}

/** Milliseconds that an edit list shows, without the empty edits that only delay; 0 where it does not say. */
function shown(list: DataView, movieScale: number): number {
  if (list.byteLength < 8 || !movieScale) return 0;
  const wide = list.getUint8(0) === 1;
  const length = wide ? 20 : 12;
  const count = Math.min(list.getUint32(4), Math.floor((list.byteLength - 8) / length));
  let ticks = 0;
  for (let at = 8, index = 0; index < count; index++, at += length) {
    const empty = wide ? list.getBigInt64(at + 8) === -1n : list.getInt32(at + 4) === -1;
    if (!empty) ticks += wide ? Number(list.getBigUint64(at)) : list.getUint32(at);
  }
  return (ticks / movieScale) * 1000;
}

function lengthOf(media: Box[]): number {
  const header = inside(media, "mdhd");
  const scale = scaleOf(header);
  if (!scale) return 0;
  const wide = header.getUint8(0) === 1;
  return ((wide ? Number(header.getBigUint64(24)) : header.getUint32(16)) / scale) * 1000;
}

/** Ticks in a second, of `mvhd` and `mdhd` alike. */
function scaleOf(header: DataView | undefined): number {
  if (!header || header.byteLength < 20) return 0;
  const wide = header.getUint8(0) === 1;
  return wide && header.byteLength < 32 ? 0 : header.getUint32(wide ? 20 : 12);
}

interface Box {
  type: string;
  body: DataView;
}

function children(parent: DataView): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= parent.byteLength;) {
    const size = parent.getUint32(at) || parent.byteLength - at;
    if (size < 8) break;
    const end = Math.min(at + size, parent.byteLength);
    const body = new DataView(parent.buffer, parent.byteOffset + at + 8, end - at - 8);
    boxes.push({ type: fourLetters(parent, at + 4), body });
    at += size;
  }
  return boxes;
}

function inside(boxes: Box[], type: string): DataView {
  return boxes.find((box) => box.type === type)?.body ?? new DataView(new ArrayBuffer(0));
}

function fourLetters(bytes: DataView, at: number): string {
  if (at + 4 > bytes.byteLength) return "";
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => bytes.getUint8(at + index)));
}

async function view(blob: Blob): Promise<DataView> {
  const buffer = await blob.arrayBuffer();
  if (buffer.byteLength >= 16) return new DataView(buffer);
  const padded = new Uint8Array(16); // what the end of the file cuts off reads as zeros
  padded.set(new Uint8Array(buffer));
  return new DataView(padded.buffer);
}
