// Colour maps of 256 entries, drawn through a few stops.

const STOPS: Record<string, string> = {
  // viridis and inferno by S. van der Walt and N. Smith, public domain (CC0), at nine places.
  viridis: "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
  inferno: "000004 210c4a 57106e 8a226a bc3754 e45a31 f98e09 f9cb35 fcffa4",
  water: "f5f9f7 d3ebe3 a5d6d9 6db7cf 3f93bd 2a6da3 204b82 182f5c 101b3a",
  earth: "f7f4ea e6dcc0 d0bd8f b69a66 98774a 795738 5b3d2b 3f2921 281917",
  balance: "2166ac 5b9bc9 a6cfe3 dcebf1 f5f5f2 f4dccb efb08f d6604d b2182b",
  wheel: "d9576b e0a94a a9c14e 4fb387 3d9fbf 5d78c4 8e5fb8 bd559a d9576b",
  grey: "101010 2e2e2e 4c4c4c 6a6a6a 888888 a6a6a6 c4c4c4 e2e2e2 fafafa",
};

export const NAMES = Object.keys(STOPS);

const made = new Map<string, Uint8Array>();

/** 256 colours, three bytes each. */
export function palette(name: string): Uint8Array {
  let p = made.get(name);
  if (p) return p;
  const stops = (STOPS[name] ?? STOPS.viridis).split(" ").map((s) => [0, 2, 4].map((i) => parseInt(s.slice(i, i + 2), 16)));
  p = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const k = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c++) p[3 * i + c] = Math.round(stops[k][c] + (at - k) * (stops[k + 1][c] - stops[k][c]));
  }
  made.set(name, p);
  return p;
}
