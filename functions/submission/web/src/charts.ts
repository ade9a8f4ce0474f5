// Small drawings in SVG: a histogram, a curve over the months.
import { svg } from "./dom";
import { value } from "./format";
import { palette } from "./palettes";

export function histogram(values: Float32Array, from: number, to: number, colours: string, label: string): SVGElement {
  const bins = new Array<number>(48).fill(0);
  const span = to - from || 1;
  for (const v of values) bins[Math.max(0, Math.min(47, Math.floor(((v - from) / span) * 48)))]++;
  const most = Math.max(1, ...bins);
  const p = palette(colours);
  const g = svg("svg", { viewBox: "0 0 288 84", class: "chart", role: "img", "aria-label": label });
  bins.forEach((n, i) => {
    const height = (n / most) * 64;
    const k = 3 * Math.round((i / 47) * 255);
    g.append(svg("rect", { x: i * 6, y: 66 - height, width: 5.4, height, fill: `rgb(${p[k]},${p[k + 1]},${p[k + 2]})`, class: "bin" }));
  });
  g.append(svg("line", { x1: 0, x2: 288, y1: 66.5, y2: 66.5, class: "axis" }), svg("text", { x: 0, y: 80 }, value(from, 4)), svg("text", { x: 288, y: 80, "text-anchor": "end" }, value(to, 4)));
  return g;
}

export interface Curve {
  name: string;
  values: number[];
  strong: boolean;
}

export function curves(list: Curve[], labels: string[], at: number, label: string): SVGElement {
  const all = list.flatMap((c) => c.values).filter((v) => !Number.isNaN(v));
  const g = svg("svg", { viewBox: "0 0 320 130", class: "chart", role: "img", "aria-label": label });
  if (all.length === 0) return g;
  let low = Math.min(...all);
  let high = Math.max(...all);
  if (low > 0 && low < 0.6 * high) low = 0;
  if (high === low) {
    high += Math.abs(high) || 1;
    low -= Math.abs(low);
  }
  const n = Math.max(2, labels.length);
  const x = (i: number) => 46 + (i / (n - 1)) * 264;
  const y = (v: number) => 104 - ((v - low) / (high - low)) * 92;
  for (const v of [low, (low + high) / 2, high]) g.append(svg("line", { x1: 46, x2: 310, y1: y(v), y2: y(v), class: "grid" }), svg("text", { x: 42, y: y(v) + 3.5, "text-anchor": "end" }, value(v, 3)));
  const every = labels.length > 12 ? Math.ceil(labels.length / 12) : 1;
  labels.forEach((t, i) => {
    if (i % every === 0) g.append(svg("text", { x: x(i), y: 120, "text-anchor": "middle" }, t));
  });
  if (at >= 0) g.append(svg("line", { x1: x(at), x2: x(at), y1: 10, y2: 104, class: "now" }));
  for (const c of list) {
    const d = c.values.map((v, i) => (Number.isNaN(v) ? "" : `${i === 0 || Number.isNaN(c.values[i - 1]) ? "M" : "L"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`)).join("");
    g.append(svg("path", { d, class: c.strong ? "curve" : "curve second" }));
    if (c.values.length <= 12) c.values.forEach((v, i) => !Number.isNaN(v) && g.append(svg("circle", { cx: x(i), cy: y(v), r: 2.6, class: c.strong ? "dot" : "dot second" }, svg("title", {}, `${c.name}, ${labels[i]}: ${value(v)}`))));
  }
  return g;
}
