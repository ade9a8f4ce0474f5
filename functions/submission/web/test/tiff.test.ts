// The reader against files as the Go program writes them (page_test.go of submission makes them).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Cog, inflate, ReadRange } from "../src/tiff";

const WIDTH = 150;
const HEIGHT = 110;

function wanted(c: number, r: number): number {
  return c >= 140 && r < 10 ? NaN : Math.fround(((c * c + 3 * r) % 97) / 8 + r);
}

function file(name: string): { read: ReadRange; asked: [number, number][]; data: Buffer } {
  const data = readFileSync(new URL(`./data/${name}`, import.meta.url));
  const asked: [number, number][] = [];
  const read: ReadRange = async (from, to) => {
    asked.push([from, to]);
    const part = data.subarray(from, to);
    return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength) as ArrayBuffer;
  };
  return { read, asked, data };
}

async function all(c: Cog, level = 0): Promise<Float32Array> {
  const l = c.levels[level];
  const tiles = await c.tiles(level, [...Array(l.across * l.down).keys()]);
  const out = new Float32Array(l.width * l.height);
  for (let r = 0; r < l.height; r++) for (let x = 0; x < l.width; x++) {
    const t = tiles.get(Math.floor(r / l.tileHeight) * l.across + Math.floor(x / l.tileWidth))!;
    out[r * l.width + x] = t[(r % l.tileHeight) * l.tileWidth + (x % l.tileWidth)];
  }
  return out;
}

describe("files of the program", () => {
  for (const name of ["deflate.tif", "none.tif", "big.tif"]) {
    it(`${name}: every cell`, async () => {
      const c = await Cog.open(file(name).read);
      expect([c.width, c.height]).toEqual([WIDTH, HEIGHT]);
      const got = await all(c);
      for (let r = 0; r < HEIGHT; r++) for (let x = 0; x < WIDTH; x++) {
        if (!Object.is(got[r * WIDTH + x], wanted(x, r))) expect(`${x},${r}: ${got[r * WIDTH + x]}`).toBe(wanted(x, r));
      }
    });
  }

  it("int16.tif: whole numbers with predictor 2 and nodata", async () => {
    const c = await Cog.open(file("int16.tif").read);
    const got = await all(c);
    for (let r = 0; r < HEIGHT; r++) for (let x = 0; x < WIDTH; x++) {
      const w = wanted(x, r);
      // Go rounds halves away from zero; these are not negative.
      if (!Object.is(got[r * WIDTH + x], Number.isNaN(w) ? NaN : Math.floor(w + 0.5))) expect(`${x},${r}: ${got[r * WIDTH + x]}`).toBe(w);
    }
  });

  it("one value needs the header and one tile", async () => {
    const f = file("deflate.tif");
    const c = await Cog.open(f.read);
    expect(await c.value(77, 66)).toBe(wanted(77, 66));
    expect(await c.value(145, 3)).toBeNaN();
    expect(await c.value(150, 0)).toBeNaN();
    expect(await c.value(-1, 0)).toBeNaN();
    expect(f.asked.length).toBeLessThanOrEqual(3);
  });

  it("overviews halve down to one block", async () => {
    const c = await Cog.open(file("deflate.tif").read);
    expect(c.levels.map((l) => [l.width, l.height])).toEqual([[150, 110], [75, 55], [38, 28]].slice(0, c.levels.length));
    expect(c.levels.length).toBeGreaterThan(1);
    const half = await all(c, 1);
    const mean = (wanted(20, 40) + wanted(21, 40) + wanted(20, 41) + wanted(21, 41)) / 4;
    expect(half[20 * 75 + 10]).toBeCloseTo(mean, 4);
  });

  it("map coordinates", async () => {
    const c = await Cog.open(file("deflate.tif").read);
    expect(c.place(0, 0)).toEqual([500000, 4100000]);
    expect(c.place(1.5, 2)).toEqual([500015, 4099980]);
  });

  it("what is not read is refused in words", async () => {
    await expect(Cog.open(file("zstd.tif").read)).rejects.toThrow(/compression 50000/);
  });
});

describe("damaged files", () => {
  const open = (data: Uint8Array) => Cog.open(async (from, to) => data.slice(from, to).buffer as ArrayBuffer);

  it("no TIFF", async () => {
    await expect(open(new TextEncoder().encode("this is no TIFF at all, only words"))).rejects.toThrow(/no TIFF/);
    await expect(open(new Uint8Array(3))).rejects.toThrow(/too short/);
  });

  it("a circle of directories ends", async () => {
    const data = new Uint8Array(file("deflate.tif").data);
    const v = new DataView(data.buffer);
    // The last directory's link leads back to the first.
    let at = v.getUint32(4, true);
    const first = at;
    for (;;) {
      const link = at + 2 + 12 * v.getUint16(at, true);
      const next = v.getUint32(link, true);
      if (next === 0) {
        v.setUint32(link, first, true);
        break;
      }
      at = next;
    }
    await expect(open(data)).rejects.toThrow(/circle/);
  });

  it("any byte may be wrong: an error or numbers, never a hang", async () => {
    const { data } = file("deflate.tif");
    let seed = 1;
    for (let i = 0; i < 300; i++) {
      const copy = new Uint8Array(data);
      for (let k = 0; k < 4; k++) {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        copy[seed % 1200] = seed >> 8;
      }
      try {
        const c = await open(copy);
        await c.value(5, 5);
      } catch (e) {
        expect(e).toBeInstanceOf(Error);
      }
    }
  });

  it("a tile that inflates to more than it should", async () => {
    const packed = await new Response(new Blob([new Uint8Array(100000)]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
    await expect(inflate(new Uint8Array(packed), 1000)).rejects.toThrow(/larger/);
  });
});
