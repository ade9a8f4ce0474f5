// Colour maps of 256 entries, drawn through a few stops.

const STOPS: Record<string, string> = {
  // The ramps that reports name, as shared/preview draws them, which a test holds them to. viridis and inferno are samples of
  // the tables by S. van der Walt and N. Smith, public domain (CC0).
  grey: "101010 fafafa",
  inferno: "000004 0c0826 240c4f 420a68 5d126e 781c6d 932667 ae305c c73e4c dd513a ed6925 f8850f fca50a fac62d f2e661 fcffa4",
  sun: "2a1a4a 5b2a6b 953a68 cb5156 ee7b47 fbaf4c fddc7a fff8d2",
  terrain: "3f6b4f 6f9160 a9b676 d9cf97 cfae82 b08a6c a38a7c f2efec",
  viridis: "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725",
  wet: "f4f1d8 cfe5bd 98d2b0 5bb8b0 2d96ad 1e70a0 1f4a86 1b2a5e",
  wheel: "d9576b e0a94a a9c14e 4fb387 3d9fbf 5d78c4 8e5fb8 bd559a d9576b",
  // Further ones to choose.
  balance: "2166ac 5b9bc9 a6cfe3 dcebf1 f5f5f2 f4dccb efb08f d6604d b2182b",
  earth: "f7f4ea e6dcc0 d0bd8f b69a66 98774a 795738 5b3d2b 3f2921 281917",
  water: "f5f9f7 d3ebe3 a5d6d9 6db7cf 3f93bd 2a6da3 204b82 182f5c 101b3a",
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
