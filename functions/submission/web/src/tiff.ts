// Reads cloud-optimised GeoTIFF by range requests: the header once, then the
// tiles that are looked at. Deflate or none, predictors 1 to 3, one band.

/** Reads bytes [from, to) of a file; may return fewer at its end. */
export type ReadRange = (from: number, to: number) => Promise<ArrayBuffer>;

/** How much of a file is read at first: header, directories, often the tiles of a small map. */
const HEAD = 32 << 10;
/** What lies this close together is read in one request. */
const GAP = 16 << 10;
/** The largest request, and the largest tile that is believed. */
const MOST = 8 << 20;
const MOST_CELLS = 4 << 20;

export interface Level {
  width: number;
  height: number;
  tileWidth: number;
  tileHeight: number;
  across: number;
  down: number;
  offsets: number[];
  lengths: number[];
  compression: number;
  predictor: number;
  bits: number;
  format: number;
}

interface Directory {
  entries: Map<number, { type: number; count: number; at: number }>;
}

const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 0, 0, 0, 8, 8, 8];

export class Cog {
  /** Full resolution first. */
  levels: Level[] = [];
  nodata = NaN;
  /** Map coordinates of cell (0, 0)'s outer corner and the size of a cell, if the file has them. */
  transform: [number, number, number, number, number, number] | null = null;
  private head: ArrayBuffer = new ArrayBuffer(0);
  private little = true;

  private constructor(private read: ReadRange) {}

  static async open(read: ReadRange): Promise<Cog> {
    const c = new Cog(read);
    c.head = await read(0, HEAD);
    await c.directories();
    return c;
  }

  get width() {
    return this.levels[0].width;
  }
  get height() {
    return this.levels[0].height;
  }

  private async bytes(from: number, length: number): Promise<DataView> {
    if (length > MOST || from < 0) throw new Error(`a part of ${length} bytes is more than this page reads at once`);
    if (from + length <= this.head.byteLength) return new DataView(this.head, from, length);
    const part = await this.read(from, from + length);
    if (part.byteLength < length) throw new Error("the file ends too early");
    return new DataView(part, 0, length);
  }

  private async directories() {
    if (this.head.byteLength < 16) throw new Error("the file is too short for a TIFF");
    const v = new DataView(this.head);
    const order = v.getUint16(0);
    this.little = order === 0x4949;
    const le = this.little;
    const magic = v.getUint16(2, le);
    if ((order !== 0x4949 && order !== 0x4d4d) || (magic !== 42 && magic !== 43)) throw new Error("the file is no TIFF");
    const big = magic === 43;
    let next = big ? Number(v.getBigUint64(8, le)) : v.getUint32(4, le);
    const seen = new Set<number>();
    while (next !== 0) {
      if (seen.has(next) || seen.size > 32) throw new Error("the directories of the file run in a circle");
      seen.add(next);
      const n = await this.bytes(next, big ? 8 : 2).then((d) => (big ? Number(d.getBigUint64(0, le)) : d.getUint16(0, le)));
      if (n > 4096) throw new Error("a directory of the file is damaged");
      const size = big ? 20 : 12;
      const start = next + (big ? 8 : 2);
      const d = await this.bytes(start, n * size + (big ? 8 : 4));
      const dir: Directory = { entries: new Map() };
      for (let i = 0; i < n; i++) {
        const at = i * size;
        const type = d.getUint16(at + 2, le);
        const count = big ? Number(d.getBigUint64(at + 4, le)) : d.getUint32(at + 4, le);
        const inline = big ? 8 : 4;
        const length = (SIZES[type] ?? 0) * count;
        const place = at + (big ? 12 : 8);
        const pointed = big ? Number(d.getBigUint64(place, le)) : d.getUint32(place, le);
        dir.entries.set(d.getUint16(at, le), { type, count, at: length <= inline ? start + place : pointed });
      }
      next = big ? Number(d.getBigUint64(n * size, le)) : d.getUint32(n * size, le);
      await this.level(dir);
    }
    if (this.levels.length === 0) throw new Error("the file holds no image");
  }

  private async numbers(dir: Directory, tag: number, otherwise?: number[]): Promise<number[]> {
    const e = dir.entries.get(tag);
    if (!e) {
      if (otherwise) return otherwise;
      throw new Error(`the file lacks tag ${tag}`);
    }
    const size = SIZES[e.type] ?? 0;
    const d = await this.bytes(e.at, size * e.count);
    const le = this.little;
    const out: number[] = new Array(e.count);
    for (let i = 0; i < e.count; i++) {
      const at = i * size;
      switch (e.type) {
        case 1:
        case 2:
        case 7:
          out[i] = d.getUint8(at);
          break;
        case 3:
          out[i] = d.getUint16(at, le);
          break;
        case 4:
          out[i] = d.getUint32(at, le);
          break;
        case 11:
          out[i] = d.getFloat32(at, le);
          break;
        case 12:
          out[i] = d.getFloat64(at, le);
          break;
        case 16:
        case 18:
          out[i] = Number(d.getBigUint64(at, le));
          break;
        default:
          throw new Error(`tag ${tag} of the file has a type that is not read here`);
      }
    }
    return out;
  }

  private async text(dir: Directory, tag: number): Promise<string> {
    const codes = await this.numbers(dir, tag, []);
    return String.fromCharCode(...codes).replace(/\0.*$/s, "");
  }

  private async level(dir: Directory) {
    const one = async (tag: number, otherwise?: number) => (await this.numbers(dir, tag, otherwise === undefined ? undefined : [otherwise]))[0];
    const kind = await one(254, 0);
    if (kind & 4) return; // a mask
    const width = await one(256);
    const height = await one(257);
    const tiled = dir.entries.has(322);
    const l: Level = {
      width,
      height,
      tileWidth: tiled ? await one(322) : width,
      tileHeight: tiled ? await one(323) : Math.min(height, await one(278, height)),
      across: 1,
      down: 1,
      offsets: await this.numbers(dir, tiled ? 324 : 273),
      lengths: await this.numbers(dir, tiled ? 325 : 279),
      compression: await one(259, 1),
      predictor: await one(317, 1),
      bits: await one(258, 1),
      format: await one(339, 1),
    };
    l.across = Math.ceil(width / l.tileWidth);
    l.down = Math.ceil(height / l.tileHeight);
    if (!(width > 0 && height > 0 && l.tileWidth > 0 && l.tileHeight > 0) || l.tileWidth * l.tileHeight > MOST_CELLS || l.offsets.length < l.across * l.down || l.lengths.length < l.across * l.down) {
      throw new Error("the tiles of the file are damaged");
    }
    if (![1, 8, 32946].includes(l.compression)) throw new Error(`compression ${l.compression} is not read in the browser; download the map`);
    if (this.levels.length === 0) {
      const text = await this.text(dir, 42113);
      this.nodata = text.trim() === "" ? NaN : Number(text);
      const scale = await this.numbers(dir, 33550, []);
      const tie = await this.numbers(dir, 33922, []);
      const matrix = await this.numbers(dir, 34264, []);
      if (matrix.length >= 8) this.transform = [matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5]];
      else if (scale.length >= 2 && tie.length >= 6) this.transform = [tie[3] - tie[0] * scale[0], scale[0], 0, tie[4] + tie[1] * scale[1], 0, -scale[1]];
    }
    this.levels.push(l);
  }

  /** Map coordinates of a place in cells, from the outer corner. */
  place(col: number, row: number): [number, number] | null {
    const t = this.transform;
    return t && [t[0] + col * t[1] + row * t[2], t[3] + col * t[4] + row * t[5]];
  }

  /** Reads tiles of a level; those that lie close together in the file with one request. */
  async tiles(level: number, indices: number[]): Promise<Map<number, Float32Array>> {
    const l = this.levels[level];
    const found = new Map<number, Float32Array>();
    const wanted = indices
      .filter((i) => i >= 0 && i < l.across * l.down)
      .map((i) => ({ i, from: l.offsets[i], to: l.offsets[i] + l.lengths[i] }))
      .sort((a, b) => a.from - b.from);
    const groups: (typeof wanted)[] = [];
    for (const w of wanted) {
      if (w.to === w.from) {
        found.set(w.i, new Float32Array(l.tileWidth * l.tileHeight).fill(NaN));
        continue;
      }
      const g = groups[groups.length - 1];
      if (g && w.from - g[g.length - 1].to <= GAP && w.to - g[0].from <= MOST) g.push(w);
      else groups.push([w]);
    }
    await Promise.all(
      groups.map(async (g) => {
        const start = g[0].from;
        const part = await this.bytes(start, g[g.length - 1].to - start);
        for (const w of g) {
          const raw = new Uint8Array(part.buffer, part.byteOffset + w.from - start, w.to - w.from);
          found.set(w.i, await this.decode(l, raw));
        }
      }),
    );
    return found;
  }

  /** The value of a cell at full resolution; NaN where there is none. */
  async value(col: number, row: number): Promise<number> {
    const l = this.levels[0];
    if (!(col >= 0 && row >= 0 && col < l.width && row < l.height)) return NaN;
    const tx = Math.floor(col / l.tileWidth);
    const ty = Math.floor(row / l.tileHeight);
    const i = ty * l.across + tx;
    const tile = (await this.tiles(0, [i])).get(i)!;
    return tile[(row - ty * l.tileHeight) * l.tileWidth + (col - tx * l.tileWidth)];
  }

  private async decode(l: Level, raw: Uint8Array): Promise<Float32Array> {
    const bytes = l.bits / 8;
    const size = l.tileWidth * l.tileHeight * bytes;
    const data = l.compression === 1 ? raw.slice(0, size) : await inflate(raw, size);
    if (data.byteLength === size) return this.samples(l, data, bytes);
    // The last strip may be short; a tile may not.
    if (l.tileWidth !== l.width) throw new Error("a tile of the file is cut short");
    const whole = new Uint8Array(size);
    whole.set(data);
    return this.samples(l, whole, bytes);
  }

  private samples(l: Level, data: Uint8Array, bytes: number): Float32Array {
    const n = l.tileWidth * l.tileHeight;
    const out = new Float32Array(n);
    const row = l.tileWidth * bytes;
    let little = this.little;
    if (l.predictor === 3) {
      // Bytes of a row: differences, then planes from the most significant byte on.
      const planes = new Uint8Array(row);
      for (let y = 0; y < l.tileHeight; y++) {
        const line = data.subarray(y * row, (y + 1) * row);
        for (let i = 1; i < row; i++) line[i] = (line[i] + line[i - 1]) & 255;
        planes.set(line);
        for (let x = 0; x < l.tileWidth; x++) for (let b = 0; b < bytes; b++) line[x * bytes + b] = planes[b * l.tileWidth + x];
      }
      little = false;
    }
    const v = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const get = reader(v, l.format, l.bits, little);
    for (let i = 0; i < n; i++) out[i] = get(i * bytes);
    if (l.predictor === 2) {
      const wrap = l.bits >= 32 ? 2 ** 32 : 2 ** l.bits;
      const signed = l.format === 2;
      for (let y = 0; y < l.tileHeight; y++) {
        let sum = 0;
        for (let x = 0; x < l.tileWidth; x++) {
          const i = y * l.tileWidth + x;
          sum = (sum + out[i] + wrap) % wrap;
          out[i] = signed && sum >= wrap / 2 ? sum - wrap : sum;
        }
      }
    }
    if (!Number.isNaN(this.nodata)) {
      const none = Math.fround(this.nodata);
      for (let i = 0; i < n; i++) if (out[i] === none) out[i] = NaN;
    }
    return out;
  }
}

function reader(v: DataView, format: number, bits: number, le: boolean): (at: number) => number {
  switch (`${format}/${bits}`) {
    case "3/32":
      return (at) => v.getFloat32(at, le);
    case "3/64":
      return (at) => v.getFloat64(at, le);
    case "1/8":
      return (at) => v.getUint8(at);
    case "2/8":
      return (at) => v.getInt8(at);
    case "1/16":
      return (at) => v.getUint16(at, le);
    case "2/16":
      return (at) => v.getInt16(at, le);
    case "1/32":
      return (at) => v.getUint32(at, le);
    case "2/32":
      return (at) => v.getInt32(at, le);
  }
  throw new Error(`samples of format ${format} with ${bits} bits are not read here`);
}

/** Inflates a zlib stream to at most size bytes. */
export async function inflate(raw: Uint8Array, size: number): Promise<Uint8Array> {
  const out = new Uint8Array(size);
  const stream = new Blob([raw as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate"));
  const r = stream.getReader();
  let at = 0;
  for (;;) {
    const { done, value } = await r.read();
    if (done) return at === size ? out : out.subarray(0, at);
    if (at + value.length > size) {
      await r.cancel();
      throw new Error("a tile of the file is larger than it says");
    }
    out.set(value, at);
    at += value.length;
  }
}
