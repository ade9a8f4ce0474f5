// Numbers, sizes, times and units as people read them.

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do {
    n /= 1000;
    i++;
  } while (n >= 999.5 && i < units.length - 1);
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/** A number of things, whose plural ends in s. */
export function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A number with as many digits as a map is worth. */
export function value(v: number, digits = 5): string {
  if (Number.isNaN(v)) return "no value";
  if (v === 0) return "0";
  const a = Math.abs(v);
  if (a >= 1e7 || a < 1e-4) return v.toExponential(digits - 1);
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(a)));
  const [whole, part] = v.toFixed(places).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
  return part === undefined ? grouped : `${grouped}.${part.replace(/0+$/, "")}`.replace(/\.$/, "");
}

const RAISED: Record<string, string> = { "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴" };

/** m-2 becomes m⁻². */
export function unit(u: string): string {
  if (u === "1") return "";
  if (u === "degree") return "°";
  return u.replace(/([a-zA-Z])(-?\d)/g, (_, letter: string, power: string) => letter + [...power].map((c) => RAISED[c] ?? c).join(""));
}

export function time(iso: string): string {
  return iso.replace("T", " ").replace(/(:\d\d)(\.\d+)?Z$/, "$1 UTC").replace(/:\d\d UTC$/, " UTC");
}

export function ago(iso: string, now: number): string {
  const s = (now - Date.parse(iso)) / 1000;
  return s < 5 ? "just now" : `${duration(s)} ago`;
}
