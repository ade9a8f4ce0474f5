// The maps of a job: layers, months, values, comparison.
import type { File } from "./job";
import type { Job } from "./api";
import { Curve, curves, histogram } from "./charts";
import { fill, h } from "./dom";
import { doubtful, Finding, findingList } from "./findings";
import { bytes, unit, value } from "./format";
import { counterpart, Layer, layersOf, mapAt, MapInfo, MONTH_NAMES } from "./layers";
import { Look, MapView, View } from "./mapview";
import { NAMES, palette } from "./palettes";
import { cog, sample, traffic, valueAt } from "./source";

interface Pane {
  layer: Layer;
  map: MapView;
  box: HTMLElement;
  pick: HTMLSelectElement;
  legend: HTMLElement;
  histogram: HTMLElement;
  /** What the colours span. */
  from: number;
  to: number;
  look: Look | null;
}

export class Result {
  readonly element = h("section", { class: "card result", id: "result" });
  private layers: Layer[];
  private view = new View();
  private panes: Pane[] = [];
  private at = 0;
  private opacity = 0.8;
  private span = "middle";
  private colours = "";
  private same = true;
  private relief: Look["relief"] = null;
  private no = 0;
  private markNo = 0;
  private timer = 0;
  private ticker = 0;

  private slider = h("input", { type: "range", id: "month", min: 0, max: 12, value: 0, oninput: () => this.step(Number(this.slider.value)) });
  private sliderText = h("output", { id: "month-name", htmlFor: "month" });
  private sliderBox = h("div", { class: "slider" }, h("label", { for: "month" }, "Time"), this.slider, this.sliderText);
  private play = h("button", { type: "button", class: "small", "aria-label": "Play the months", onclick: () => this.toggle() }, "▶");
  private maps = h("div", { class: "maps" });
  private info = h("div", { class: "info", id: "value", "aria-live": "polite" });
  private below = h("div");
  private read = h("p", { class: "hint", id: "traffic" });
  private compare = h("input", { type: "checkbox", id: "compare", onchange: () => this.split(this.compare.checked) });
  private sameBox = h("label", { class: "tick", hidden: true }, h("input", { type: "checkbox", id: "same", checked: true, onchange: (e: Event) => { this.same = (e.target as HTMLInputElement).checked; void this.refresh(); } }), " same colours in both");

  constructor(
    private job: Job,
    private files: File[],
    report: Record<string, unknown>,
  ) {
    const there = new Set(files.map((f) => f.name));
    this.layers = layersOf(((report.layers as MapInfo[] | undefined) ?? []).filter((m) => there.has(m.name)));
    if (there.has("slope_dec.tif") && there.has("aspect_dec.tif")) this.relief = { slope: this.url("slope_dec.tif"), aspect: this.url("aspect_dec.tif") };
    if (this.layers.length === 0) {
      fill(this.element, h("h2", {}, "Maps"), h("p", { class: "hint" }, "The job has no maps to show."));
      return;
    }
    const months = this.layers.some((l) => l.steps.length > 0); // a job may have the maps of years only
    const findings = (report.findings as Finding[] | undefined) ?? [];
    fill(
      this.element,
      h("h2", {}, "Maps"),
      h(
        "div",
        { class: "tools" },
        this.sliderBox,
        this.play,
        h("span", { class: "tool" }, h("label", { for: "opacity" }, "Opacity"), h("input", { type: "range", id: "opacity", min: 0, max: 100, value: 80, oninput: (e: Event) => { this.opacity = Number((e.target as HTMLInputElement).value) / 100; this.repaint(); } })),
        h("span", { class: "tool" }, h("label", { for: "colours" }, "Colours"), h("select", { id: "colours", onchange: (e: Event) => { this.colours = (e.target as HTMLSelectElement).value; void this.refresh(); } }, h("option", { value: "" }, "by layer"), NAMES.map((n) => h("option", { value: n }, n)))),
        h("span", { class: "tool" }, h("label", { for: "span" }, "Range"), h(
          "select",
          { id: "span", onchange: (e: Event) => { this.span = (e.target as HTMLSelectElement).value; void this.refresh(); } },
          h("option", { value: "middle" }, "2 to 98 % of this map"),
          h("option", { value: "all" }, "all of this map"),
          months ? h("option", { value: "months" }, "the same for all months") : null,
        )),
        h("label", { class: "tick" }, this.compare, " side by side"),
        this.sameBox,
      ),
      this.maps,
      h("p", { class: "hint", id: "map-keys" }, `Click a cell for its value${months ? " and its year" : ""}. Keys on the map: arrows move the mark (with shift ten cells), Enter marks the centre, + and − zoom, 0 shows all.`),
      this.below,
      this.read,
      findings.length ? h("details", { open: doubtful(findings) }, h("summary", {}, "Findings about the inputs and the results"), findingList(findings)) : null,
    );
    this.view.addEventListener("mark", () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.values(), 30);
    });
    this.add(this.layers[0]);
    this.layerChanged();
  }

  close() {
    clearInterval(this.ticker);
    for (const p of this.panes) p.map.close();
  }

  private url(name: string): string {
    return this.files.find((f) => f.name === name)?.href ?? `/jobs/${this.job.id}/results/${name}`;
  }

  private add(layer: Layer) {
    const no = this.panes.length;
    const id = `layer-${no}`;
    const sections = [...new Set(this.layers.map((l) => l.section))];
    const pick = h(
      "select",
      { id, class: "layer", onchange: () => { pane.layer = this.layers[Number(pick.value)]; this.layerChanged(); } },
      sections.map((s) => h("optgroup", { label: s }, this.layers.map((l, i) => (l.section === s ? h("option", { value: i, selected: l === layer }, l.title) : null)))),
    );
    const map = new MapView(this.view);
    const pane: Pane = { layer, map, pick, legend: h("div", { class: "legend" }), histogram: h("div", { class: "histogram" }), from: 0, to: 1, look: null, box: h("div") };
    pane.box = h("div", { class: "pane" }, h("label", { class: "hidden", for: id }, no === 0 ? "Layer" : "Layer beside it"), pick, map.element, pane.legend, pane.histogram);
    this.panes.push(pane);
    this.maps.append(pane.box);
    this.arrange();
  }

  /** One map has its values beside it, two have them below. */
  private arrange() {
    const two = this.panes.length > 1;
    this.maps.classList.toggle("split", two);
    (two ? this.below : this.panes[0].box).append(this.info);
  }

  private split(on: boolean) {
    if (on && this.panes.length === 1) {
      const l = this.panes[0].layer;
      this.add(counterpart(l, this.layers) ?? this.layers[Math.min(1, this.layers.length - 1)]);
    } else if (!on && this.panes.length > 1) {
      const p = this.panes.pop()!;
      p.map.close();
      p.box.remove();
      this.arrange();
    }
    this.sameBox.hidden = !on;
    this.view.zoom = 0; // the maps have another size: show all again
    this.layerChanged();
  }

  private layerChanged() {
    const l = this.panes[0].layer.steps.length ? this.panes[0].layer : (this.panes[1]?.layer ?? this.panes[0].layer);
    const n = l.steps.length;
    this.sliderBox.hidden = this.play.hidden = n === 0;
    this.slider.min = l.year ? "0" : "1";
    this.slider.max = String(n);
    this.at = Math.max(l.year ? 0 : 1, Math.min(this.at, n));
    this.slider.value = String(this.at);
    void this.refresh();
    void this.values();
  }

  private step(at: number) {
    this.at = at;
    void this.refresh();
    void this.values();
  }

  private toggle() {
    if (this.ticker) {
      clearInterval(this.ticker);
      this.ticker = 0;
    } else {
      this.ticker = window.setInterval(() => {
        const max = Number(this.slider.max);
        const next = this.at >= max ? 1 : this.at + 1;
        this.slider.value = String(next);
        this.step(next);
      }, 900);
    }
    this.play.textContent = this.ticker ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", this.ticker ? "Stop" : "Play the months");
  }

  private repaint() {
    for (const p of this.panes) if (p.look) void p.map.show((p.look = { ...p.look, opacity: this.opacity }));
  }

  /** Shows what is chosen: finds out the range, then paints. */
  private async refresh() {
    const no = ++this.no;
    const shown = this.panes.map((p) => mapAt(p.layer, this.at));
    this.sliderText.textContent = shown[0].label || shown[1]?.label || "";
    this.slider.setAttribute("aria-valuetext", this.sliderText.textContent);
    const samples: (Float32Array | null)[] = [];
    await Promise.all(
      this.panes.map(async (p, i) => {
        try {
          samples[i] = await sample(this.url(shown[i].map.name));
        } catch {
          samples[i] = null; // the map itself says what is wrong
        }
        [p.from, p.to] = this.rangeOf(p.layer, shown[i].map, samples[i]);
      }),
    );
    if (no !== this.no) return;
    if (this.same && this.panes.length > 1 && shown[0].map.unit === shown[1].map.unit) {
      const from = Math.min(...this.panes.map((p) => p.from));
      const to = Math.max(...this.panes.map((p) => p.to));
      for (const p of this.panes) [p.from, p.to] = [from, to];
    }
    this.panes.forEach((p, i) => {
      const colours = this.colours || p.layer.palette;
      p.look = { url: this.url(shown[i].map.name), palette: colours, from: p.from, to: p.to, opacity: this.opacity, relief: this.relief, label: `${p.layer.title}${shown[i].label ? `, ${shown[i].label}` : ""}` };
      void p.map.show(p.look);
      this.legend(p, shown[i].map, colours);
      fill(p.histogram, samples[i] && samples[i]!.length ? histogram(samples[i]!, p.from, p.to, colours, `Histogram from ${value(p.from, 4)} to ${value(p.to, 4)} ${unit(shown[i].map.unit)}`) : null);
    });
    void this.total();
  }

  private rangeOf(l: Layer, m: MapInfo, s: Float32Array | null): [number, number] {
    if (m.range) return m.range;
    if (this.span === "months" && l.steps.length && m !== l.year) return [Math.min(...l.steps.map((x) => x.map.minimum)), Math.max(...l.steps.map((x) => x.map.maximum))];
    if (this.span === "all" || !s || s.length === 0) return [m.minimum, m.maximum];
    const sorted = s.slice().sort();
    const q = (share: number) => sorted[Math.floor(share * (sorted.length - 1))];
    const [from, to] = [q(0.02), q(0.98)];
    return to > from ? [from, to] : [m.minimum, m.maximum];
  }

  private legend(p: Pane, m: MapInfo, colours: string) {
    const c = h("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const g = c.getContext("2d")!;
    const data = g.createImageData(256, 1);
    const table = palette(colours);
    for (let i = 0; i < 256; i++) {
      data.data.set(table.subarray(3 * i, 3 * i + 3), 4 * i);
      data.data[4 * i + 3] = 255;
    }
    g.putImageData(data, 0, 0);
    fill(p.legend, c, h("div", { class: "ticks" }, [0, 0.25, 0.5, 0.75, 1].map((t) => h("span", {}, value(p.from + t * (p.to - p.from), 4)))), h("div", { class: "unit" }, unit(m.unit), h("span", { class: "hint" }, ` mean ${value(m.mean, 4)}, ${value(m.minimum, 4)} to ${value(m.maximum, 4)}`)));
  }

  /** The value of the marked cell, and what it is in every month. */
  private async values() {
    const mark = this.view.mark;
    if (!mark || this.panes.length === 0) return;
    const no = ++this.markNo;
    const [col, row] = mark;
    try {
      const shown = this.panes.map((p) => mapAt(p.layer, this.at));
      const first = await cog(this.url(shown[0].map.name));
      const place = first.place(col + 0.5, row + 0.5);
      const now = await Promise.all(shown.map((s) => valueAt(this.url(s.map.name), col, row)));
      if (no !== this.markNo) return;
      const degrees = first.transform && Math.abs(first.transform[1]) < 0.05;
      const where = place ? ` at ${degrees ? `${place[0].toFixed(6)}°, ${place[1].toFixed(6)}°` : `${place[0].toFixed(1)}, ${place[1].toFixed(1)}`}` : "";
      const lines = shown.map((s, i) => h("p", { class: "reading" }, h("data", { value: String(now[i]), class: "big", "data-pane": i }, value(now[i]), " ", h("small", {}, unit(s.map.unit))), h("span", {}, ` ${this.panes[i].layer.title}${s.label ? `, ${s.label}` : ""}`)));
      const difference = now.length === 2 && shown[0].map.unit === shown[1].map.unit ? h("p", { class: "hint" }, `Difference ${value(now[0] - now[1])} ${unit(shown[0].map.unit)}`) : null;
      const chart = h("div", { class: "curvebox" });
      fill(this.info, h("p", { class: "hint" }, `Column ${col}, row ${row}${where}`), lines, difference, chart);
      const list: Curve[] = await Promise.all(
        this.panes
          .filter((p) => p.layer.steps.length > 1)
          .map(async (p, i) => ({ name: p.layer.title, strong: i === 0, values: await Promise.all(p.layer.steps.map((s) => valueAt(this.url(s.map.name), col, row))) })),
      );
      if (no !== this.markNo || list.length === 0) return;
      const monthly = list[0].values.length === 12;
      const labels = monthly ? MONTH_NAMES.map((m) => m.charAt(0)) : list[0].values.map((_, i) => String(i + 1));
      const u = unit(this.panes.find((p) => p.layer.steps.length > 1)!.layer.steps[0].map.unit);
      fill(
        chart,
        h("p", { class: "hint" }, `Through the year, ${u}`),
        list.length > 1 ? h("p", { class: "hint keys" }, list.map((c) => h("span", { class: c.strong ? "key" : "key second" }, c.name))) : null,
        curves(list, labels, this.at - 1, `Curve through the year, ${u}: ${list[0].values.map((v, i) => `${labels[i]} ${value(v, 4)}`).join(", ")}`),
      );
      chart.dataset.curve = list[0].values.join(" ");
    } catch (e) {
      if (no === this.markNo) fill(this.info, h("p", { class: "problem" }, (e as Error).message));
    }
    void this.total();
  }

  /** Tells how much was read: less than the maps weigh. */
  private total() {
    const all = this.files.reduce((n, f) => n + f.size, 0);
    this.read.textContent = `Read so far: ${bytes(traffic.bytes)} of ${bytes(all)} in ${traffic.requests} ${traffic.requests === 1 ? "request" : "requests"}.`;
  }
}
