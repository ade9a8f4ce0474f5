// Sorts the maps of a job into layers: a quantity with its year, its months, its days. What belongs together, and where it
// stands, the report says of each map.

export interface MapInfo {
  name: string;
  description: string;
  unit: string;
  mean: number;
  minimum: number;
  maximum: number;
  /** Title of the series, the section that lists it, and its place there: lower ones come first. */
  title: string;
  group: string;
  order: number;
  /** The map that stands for the series, and the month, 1 to 12, or day, 1 to 365, of this one; none of that map itself. */
  series: string;
  period?: "year" | "month" | "day";
  step?: number;
  /** The series to compare with. */
  counterpart?: string;
  ramp: string;
  /** What the colours span; none leaves it to the values of the map. */
  range?: [number, number];
}

export interface Step {
  label: string;
  map: MapInfo;
}

export interface Layer {
  /** The name of the file of the year, or of the only file. */
  key: string;
  section: string;
  title: string;
  year: MapInfo | null;
  /** January to December, or days 1 to 365; empty if there is only the year. */
  steps: Step[];
  palette: string;
  counterpart?: string;
}

export const MONTH_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

export function layersOf(maps: MapInfo[]): Layer[] {
  const layers = new Map<string, Layer>();
  const inOrder = maps.map((m) => m).sort((a, b) => a.order - b.order);
  for (const map of inOrder) {
    let l = layers.get(map.series);
    if (!l) {
      l = { key: map.series, section: map.group, title: map.title, year: null, steps: [], palette: map.ramp, counterpart: map.counterpart };
      layers.set(map.series, l);
    }
    if (!map.step) l.year = map;
    else l.steps[map.step - 1] = { label: map.period === "month" ? MONTH_NAMES[map.step - 1] : `Day ${map.step}`, map };
  }
  const list = [...layers.values()];
  for (const l of list) l.steps = l.steps.filter((s) => s !== undefined);
  return list;
}

/** The map at a place of the slider: 0 is the year where there is one. */
export function mapAt(l: Layer, at: number): Step {
  if (l.year && (at <= 0 || l.steps.length === 0)) return { label: l.steps.length ? "Year" : "", map: l.year };
  const i = Math.max(0, Math.min(l.steps.length - 1, at - 1));
  return l.steps[i];
}

/** The layer that answers to l under the other method, if there is one. */
export function counterpart(l: Layer, all: Layer[]): Layer | undefined {
  return all.find((x) => x.key === l.counterpart);
}
