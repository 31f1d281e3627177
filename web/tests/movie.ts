/** The head of an MP4 file, as small as it can be. */
export interface Movie {
  brand?: string;
  codec?: string;
  seconds?: number;
  size?: [width: number, height: number];
  /** Seconds that an edit list shows of it. */
  shown?: number;
  /** Seconds of an empty edit before that. */
  delay?: number;
  /** 64-bit times, as some cameras write them. */
  wide?: boolean;
  /** Bytes of `mdat` that stand before `moov`. */
  dataFirst?: number;
  handler?: string;
}

const SCALE = 600;
const MEDIA_SCALE = 30_000;

function box(type: string, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = 8 + parts.reduce((sum, part) => sum + part.length, 0);
  return joined(number(4, size), letters(type), ...parts);
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function number(length: number, value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(length));
  if (length === 8) bytes.setBigInt64(0, BigInt(Math.round(value)));
  else if (length === 4) bytes.setUint32(0, Math.round(value) >>> 0);
  else bytes.setUint16(0, value);
  return new Uint8Array(bytes.buffer);
}

const letters = (text: string) => new TextEncoder().encode(text);
const zeros = (length: number) => new Uint8Array(length);

function times(wide: boolean, scale: number, duration: number, rest: number): Uint8Array {
  const length = wide ? 8 : 4;
  return joined(
    number(4, wide ? 0x01000000 : 0),
    zeros(2 * length),
    number(4, scale),
    number(length, duration),
    zeros(rest),
  );
}

function editList({ shown, delay = 0, wide = false }: Movie): Uint8Array[] {
  if (shown === undefined) return [];
  const length = wide ? 8 : 4;
  const edit = (seconds: number, from: number) =>
    joined(number(length, seconds * SCALE), number(length, from), number(4, 0x10000));
  const edits = [...(delay ? [edit(delay, -1)] : []), edit(shown, 0)];
  return [box("edts", box("elst", number(4, wide ? 0x01000000 : 0), number(4, edits.length), ...edits))];
}

export function movie(made: Movie = {}): Blob {
  const { brand = "isom", codec = "avc1", seconds = 10, size = [1920, 1080], wide = false, handler = "vide" } = made;
  const entry = joined(zeros(24), number(2, size[0]), number(2, size[1]), zeros(50));
  const samples = box("stbl", box("stsd", zeros(4), number(4, 1), box(codec, entry)));
  const media = box(
    "mdia",
    box("mdhd", times(wide, MEDIA_SCALE, seconds * MEDIA_SCALE, 4)),
    box("hdlr", zeros(8), letters(handler), zeros(12)),
    box("minf", samples),
  );
  const sound = box("trak", box("mdia", box("hdlr", zeros(8), letters("soun"), zeros(12))));
  const moov = box(
    "moov",
    box("mvhd", times(wide, SCALE, seconds * SCALE, 80)),
    sound,
    box("trak", ...editList(made), media),
  );
  const head = brand ? [box("ftyp", letters(brand), zeros(4))] : [];
  const data = made.dataFirst === undefined ? [] : [box("mdat", zeros(made.dataFirst))];
  return new Blob([...head, ...data, moov]);
}
