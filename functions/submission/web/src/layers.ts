// Sorts the maps of a job into layers: a quantity with its year, its months, its days.

export interface MapInfo {
  name: string;
  description: string;
  unit: string;
  mean: number;
  minimum: number;
  maximum: number;
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
}

export const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
export const MONTH_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

const month = new RegExp(`_(${MONTHS.join("|")})(?=[_.])`);
const day = /_day_(\d+)(?=\.)/;

export function layersOf(maps: MapInfo[]): Layer[] {
  const layers = new Map<string, Layer>();
  for (const map of maps) {
    // slope_dec.tif is in degrees, not of December.
    const m = map.name.includes("/") ? month.exec(map.name) : null;
    const d = day.exec(map.name);
    const key = m ? map.name.replace(month, "").replace("/monthly/", "/annual/") : d ? map.name.replace(day, "") : map.name;
    let l = layers.get(key);
    if (!l) {
      l = { key, section: section(key), title: title(map.description, !!m || !!d), year: null, steps: [], palette: paletteOf(key) };
      layers.set(key, l);
    }
    if (m) l.steps[MONTHS.indexOf(m[1])] = { label: MONTH_NAMES[MONTHS.indexOf(m[1])], map };
    else if (d) l.steps[Number(d[1]) - 1] = { label: `Day ${d[1]}`, map };
    else {
      l.year = map;
      l.title = title(map.description, false);
    }
  }
  const list = [...layers.values()];
  for (const l of list) l.steps = l.steps.filter((s) => s !== undefined);
  list.sort((a, b) => order(a) - order(b));
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
  const swap = l.key.includes("_Trad") ? l.key.replace("_Trad", "_Topo") : l.key.includes("_Topo") ? l.key.replace("_Topo", "_Trad") : l.key.includes("/flat_") ? l.key.replace("/flat_", "/") : l.key.replace(/\/total_sun/, "/flat_total_sun");
  return swap === l.key ? undefined : all.find((x) => x.key === swap);
}

const SECTIONS = ["Effective energy and mass transfer", "Radiation", "Hours of sun", "Terrain"];

function section(key: string): string {
  if (key.startsWith("eemt/")) return SECTIONS[0];
  if (key.startsWith("global/")) return SECTIONS[1];
  if (key.startsWith("insol/")) return SECTIONS[2];
  return SECTIONS[3];
}

function order(l: Layer): number {
  return SECTIONS.indexOf(l.section) * 100 + (l.key.includes("EEMT_Topo") ? 0 : l.key.includes("EEMT_Trad") ? 1 : l.key.includes("_average") ? 5 : l.key.includes("_rad.") ? 9 : 3);
}

function title(description: string, partial: boolean): string {
  let t = description;
  if (partial) {
    t = t
      .replace(new RegExp(`, sum of (${MONTHS.join("|")})\\b`), ", sum of the year")
      .replace(new RegExp(`, daily mean of (${MONTHS.join("|")})\\b`), ", daily mean of the year")
      .replace(new RegExp(`,? (${MONTHS.join("|")})\\b`), "")
      .replace(/,? day \d+/, ", daily");
  }
  return t.charAt(0).toUpperCase() + t.slice(1);
}

function paletteOf(key: string): string {
  if (key.startsWith("global/")) return "inferno";
  if (key.startsWith("insol/")) return "inferno";
  if (key.startsWith("aspect")) return "wheel";
  if (key.startsWith("slope")) return "earth";
  if (key.startsWith("twi") || key.startsWith("catchment")) return "water";
  if (key.includes("F_BIO")) return "balance";
  return "viridis";
}
