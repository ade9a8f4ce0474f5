import { describe, expect, it } from "vitest";
import { bytes, duration, unit, value } from "../src/format";
import { counterpart, layersOf, mapAt, type MapInfo } from "../src/layers";
import { palette, NAMES } from "../src/palettes";
import { shade } from "../src/mapview";
import { Meter, outOfRange } from "../src/submit";
import { flags, quote } from "../src/job";
import { backoff } from "../src/tus";

const map = (name: string, order: number, also: Partial<MapInfo> = {}): MapInfo => ({ name, order, description: name, title: name, group: "Terrain", series: name, ramp: "grey", unit: "1", mean: 0, minimum: 0, maximum: 1, ...also });

describe("numbers as people read them", () => {
  it.each([[0, "0 B"], [999, "999 B"], [1500, "1.5 kB"], [12e6, "12 MB"], [999.6e6, "1.0 GB"]])("%d bytes", (n, want) => expect(bytes(n)).toBe(want));
  it.each([[0.4, "under a second"], [75, "75 s"], [600, "10 min"], [7200, "2 h 0 min"], [604799, "7 d 0 h"], [NaN, "unknown"]])("%d seconds", (n, want) => expect(duration(n)).toBe(want));
  it.each([[21.94321, "21.943"], [0, "0"], [2172610, "2\u2009172\u2009610"], [-3.6318, "-3.6318"], [NaN, "no value"], [1e-9, "1.0000e-9"]])("value %d", (n, want) => expect(value(n)).toBe(want));
  it.each([["Wh m-2 yr-1", "Wh m⁻² yr⁻¹"], ["m2", "m²"], ["1", ""], ["degree", "°"]])("unit %s", (u, want) => expect(unit(u)).toBe(want));
});

describe("layers", () => {
  const sum = "global/annual/total_sun_sum.tif";
  const days = "global/daily/total_sun.tif";
  const layers = layersOf([
    map("slope_dec.tif", 40),
    map(sum, 20, { ramp: "sun" }),
    map("global/monthly/total_sun_feb_sum.tif", 20, { series: sum, period: "month", step: 2 }),
    map("global/monthly/total_sun_jan_sum.tif", 20, { series: sum, period: "month", step: 1 }),
    map("global/daily/total_sun_day_2.tif", 20, { series: days, period: "day", step: 2 }),
    map("global/daily/total_sun_day_1.tif", 20, { series: days, period: "day", step: 1 }),
    map("eemt/EEMT_Trad_2020.tif", 9, { counterpart: "eemt/EEMT_Topo_2020.tif", ramp: "viridis" }),
    map("eemt/EEMT_Trad_jul_2020.tif", 9, { series: "eemt/EEMT_Trad_2020.tif", period: "month", step: 7 }),
    map("eemt/EEMT_Topo_2020.tif", 8, { counterpart: "eemt/EEMT_Trad_2020.tif", ramp: "viridis" }),
  ]);
  const of = (key: string) => layers.find((l) => l.key === key)!;
  it("EEMT-Topo comes first", () => expect(layers[0].key).toBe("eemt/EEMT_Topo_2020.tif"));
  it("months are in order, with the year before them", () => {
    const l = of("global/annual/total_sun_sum.tif");
    expect(l.steps.map((s) => s.label)).toEqual(["January", "February"]);
    expect([mapAt(l, 0).label, mapAt(l, 1).map.name, mapAt(l, 99).label]).toEqual(["Year", "global/monthly/total_sun_jan_sum.tif", "February"]);
  });
  it("days are a layer of their own", () => expect(of("global/daily/total_sun.tif").steps.map((s) => s.label)).toEqual(["Day 1", "Day 2"]));
  it("a job may have years only", () => {
    const years = layersOf([map("slope_dec.tif", 40), map(sum, 20), map("eemt/EEMT_Topo_2020.tif", 8)]);
    expect(years.map((l) => l.steps.length)).toEqual([0, 0, 0]);
    expect(years.map((l) => [mapAt(l, 0), mapAt(l, 7)].map((s) => s.label + s.map.name))).toEqual(years.map((l) => [l.key, l.key]));
  });
  it("Trad and Topo answer to each other", () => {
    expect(counterpart(of("eemt/EEMT_Trad_2020.tif"), layers)!.key).toBe("eemt/EEMT_Topo_2020.tif");
    expect(counterpart(of("slope_dec.tif"), layers)).toBeUndefined();
  });
  it("palettes are those of the ramps", () => {
    expect(layers.map((l) => l.palette)).toEqual(["viridis", "viridis", "sun", "grey", "grey"]);
    layers.forEach((l) => expect(NAMES).toContain(l.palette));
  });
});

describe("forms", () => {
  const step = { type: "number", minimum: 1, maximum: 60 };
  it.each([["15", null], ["", null], ["90", "must be a number of 1 to 60"], ["x", "must be a number of 1 to 60"]])("step %s", (t, want) => expect(outOfRange(t, step, false)).toBe(want));
  it("months: one or twelve", () => {
    expect(outOfRange("3,3,3", { type: "number", minimum: 1, maximum: 8 }, true)).toMatch(/twelve/);
    expect(outOfRange(Array(12).fill("3").join(","), { type: "number", minimum: 1, maximum: 8 }, true)).toBeNull();
    expect(outOfRange("inputs/linke.tif", { type: "number", minimum: 1, maximum: 8 }, true)).toBeNull();
  });
  it("speed is that of the last seconds", () => {
    const m = new Meter();
    for (let s = 0; s <= 10; s++) m.add({ loaded: s < 5 ? 0 : (s - 5) * 1e6, total: 1e7 }, s * 1000);
    expect(m.speed()).toBe(1e6);
    expect(m.words({ loaded: 5e6, total: 1e7 })).toBe("50 % · 5.0 MB of 10 MB · 1.0 MB/s, 5 s left");
  });
  it("tries come less and less often", () => expect([0, 1, 4, 5, 99].map(backoff)).toEqual([1000, 2000, 16000, 30000, 30000]));
  it("names that a shell would read otherwise are quoted", () => {
    expect([quote("dem.tif"), quote("a b.tif"), quote("it's.tif"), quote("$(x).tif"), quote("-rf")]).toEqual(["dem.tif", "'a b.tif'", "'it'\\''s.tif'", "'$(x).tif'", "'-rf'"]);
  });
});

describe("colours", () => {
  it("256 of each", () => NAMES.forEach((n) => expect(palette(n).length).toBe(768)));
  it("relief is light toward the north-west", () => {
    expect(shade(30, 315)).toBeGreaterThan(shade(0, NaN));
    expect(shade(30, 135)).toBeLessThan(shade(0, NaN));
  });
});

describe("flags of a job", () => {
  it("give words in place of values, as the program takes them", () => {
    const of = (parameters: Record<string, unknown>, workflow_type = "eemt") => flags({ workflow_type, parameters } as any);
    expect(of({ step: 15, linke_value: [3], kb: [0.9] })).toBe(" --kb 0.9");
    expect(of({ step: 15, linke_climatology: true })).toBe(" --linke-value climatology");
    expect(of({ kc_climate: true, linke_value: [2.5] })).toBe(" --kc climate --linke-value 2.5");
    expect(of({ kc_climate: false })).toBe("");
  });
});
