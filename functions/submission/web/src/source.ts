// Maps of a job as tiles: COGs opened once, tiles kept within a bound.
import { request } from "./login";
import { Cog } from "./tiff";

/** How much was read over HTTP since the page was opened. */
export const traffic = { requests: 0, bytes: 0 };

const MOST_TILES = 96 << 20;

/** Reads a file by Range requests. */
export function ranges(url: string): (from: number, to: number) => Promise<ArrayBuffer> {
  return async (from, to) => {
    const r = await request(url, { headers: { Range: `bytes=${from}-${to - 1}` } });
    if (r.status === 416) return new ArrayBuffer(0);
    if (!r.ok) throw new Error(r.status === 404 || r.status === 410 ? "this map is no longer there" : `the server answered ${r.status}`);
    const data = await r.arrayBuffer();
    traffic.requests++;
    traffic.bytes += data.byteLength;
    // A server that knows no ranges sends all of it.
    return r.status === 206 ? data : data.slice(from, to);
  };
}

const open = new Map<string, Promise<Cog>>();

export function cog(url: string): Promise<Cog> {
  let c = open.get(url);
  if (!c) {
    c = Cog.open(ranges(url));
    open.set(url, c);
    c.catch(() => open.delete(url));
    if (open.size > 500) open.delete(open.keys().next().value!);
  }
  return c;
}

const kept = new Map<string, Float32Array>();
let keptBytes = 0;
const coming = new Map<string, Promise<Float32Array>>();

/** A tile that is here already. */
export function tileNow(url: string, level: number, i: number): Float32Array | undefined {
  const key = `${url} ${level} ${i}`;
  const t = kept.get(key);
  if (t) {
    kept.delete(key);
    kept.set(key, t);
  }
  return t;
}

/** Brings tiles of a level, each once. */
export async function tiles(url: string, level: number, indices: number[]): Promise<Float32Array[]> {
  const key = (i: number) => `${url} ${level} ${i}`;
  const missing = indices.filter((i) => !kept.has(key(i)) && !coming.has(key(i)));
  if (missing.length > 0) {
    const all = cog(url).then((c) => c.tiles(level, missing));
    for (const i of missing) {
      const one = all.then((m) => m.get(i)!);
      coming.set(key(i), one);
      one.then(
        (t) => {
          coming.delete(key(i));
          keep(key(i), t);
        },
        () => coming.delete(key(i)),
      );
    }
  }
  return Promise.all(indices.map((i) => tileNow(url, level, i) ?? coming.get(key(i))!));
}

function keep(key: string, t: Float32Array) {
  kept.set(key, t);
  keptBytes += t.byteLength;
  for (const [k, old] of kept) {
    if (keptBytes <= MOST_TILES || k === key) break;
    kept.delete(k);
    keptBytes -= old.byteLength;
  }
}

/** The value of a cell at full resolution. */
export async function valueAt(url: string, col: number, row: number): Promise<number> {
  const l = (await cog(url)).levels[0];
  if (!(col >= 0 && row >= 0 && col < l.width && row < l.height)) return NaN;
  const tx = Math.floor(col / l.tileWidth);
  const ty = Math.floor(row / l.tileHeight);
  const [t] = await tiles(url, 0, [ty * l.across + tx]);
  return t[(row - ty * l.tileHeight) * l.tileWidth + (col - tx * l.tileWidth)];
}

/** Values of the whole map from the smallest overview that is still fine enough. */
export async function sample(url: string, atLeast = 40000): Promise<Float32Array> {
  const c = await cog(url);
  let level = 0;
  while (level + 1 < c.levels.length && c.levels[level + 1].width * c.levels[level + 1].height >= atLeast) level++;
  const l = c.levels[level];
  const all = await tiles(url, level, [...Array(l.across * l.down).keys()]);
  const out = new Float32Array(l.width * l.height);
  let n = 0;
  all.forEach((t, i) => {
    const tx = i % l.across;
    const ty = Math.floor(i / l.across);
    const w = Math.min(l.tileWidth, l.width - tx * l.tileWidth);
    const rows = Math.min(l.tileHeight, l.height - ty * l.tileHeight);
    for (let y = 0; y < rows; y++) for (let x = 0; x < w; x++) {
      const v = t[y * l.tileWidth + x];
      if (v === v) out[n++] = v;
    }
  });
  return out.subarray(0, n);
}
