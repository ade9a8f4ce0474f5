// The form: bring a DEM, hear what it is, set parameters, submit.
import { ask, follow, Job, post, Refusal, Sent, WORDS } from "./api";
import { fill, h, note } from "./dom";
import { doubtful, Finding, findingList, listed, settles } from "./findings";
import { bytes, count, duration, value } from "./format";
import { jobLine } from "./jobs";
import { request } from "./login";
import { bring, Upload } from "./tus";

interface Schema {
  type?: string;
  minimum?: number;
  maximum?: number;
  enum?: string[];
  default?: unknown;
  contentMediaType?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  /** The field of a form that a raster is sent along in. */
  "x-file-field"?: string;
}

interface Process {
  id: string;
  title: string;
  description: string;
  inputs: Record<string, { title: string; description: string; minOccurs: number; schema: Schema }>;
}

interface Report {
  detail?: string;
  findings?: Finding[];
  width?: number;
  height?: number;
  bytes?: number;
  sample_type?: string;
  compression?: string;
  layout?: string;
  crs?: string;
  horizontal_unit?: string;
  vertical_unit?: string;
  bbox?: number[];
  cell_size_m?: number[];
  elevation?: { min: number; max: number; mean: number; read: string };
  nodata?: { share: number; voids?: number };
  spikes?: { count: number };
  climate?: { source: string; covered: number; detail?: string };
  estimate?: { tiles: number; seconds: number; cores: number; memory_bytes: number; results_bytes: number };
  filename?: string;
}

/** What everybody sees; the rest waits behind a fold. */
const PLAIN = ["step", "linke_value", "albedo_value", "start_year", "end_year"];
const ELSEWHERE = ["dem", "climate", "climate_elevation"];
/** Behind the fold in this order; what is not named comes last. Findings are accepted where they are shown. */
const FOLDED = ["dem_crs", "elevation_unit", "nodata", "climate_units", "kb", "kd", "kc", "maps", "daily", "layers", "strict", "north", "shadows", "method", "tile_size"];
const SHOWN_ELSEWHERE = [...ELSEWHERE, "accept"];

/** A raster of more bytes is sent with the job only, and not examined before. */
const LOOKED_AT = 32e6;

let examines: Promise<boolean> | null = null;
/** Whether the service examines DEMs before a job. */
function canExamine(): Promise<boolean> {
  examines ??= request("/api/check").then(
    (r) => r.status !== 404 && r.status !== 405,
    () => false,
  );
  return examines;
}

/** Speed over the last seconds, and what it lets expect. */
export class Meter {
  private seen: { at: number; loaded: number }[] = [];
  private began = NaN;
  add(s: Sent, at: number) {
    if (Number.isNaN(this.began)) this.began = at;
    this.seen.push({ at, loaded: s.loaded });
    while (this.seen.length > 2 && at - this.seen[0].at > 5000) this.seen.shift();
  }
  /** Bytes per second lately. */
  speed(): number {
    const first = this.seen[0];
    const last = this.seen[this.seen.length - 1];
    return last && last.at > first.at ? (1000 * (last.loaded - first.loaded)) / (last.at - first.at) : NaN;
  }
  words(s: Sent): string {
    const v = this.speed();
    const share = s.total > 0 ? Math.floor((100 * s.loaded) / s.total) : 0;
    const left = v > 0 ? `, ${duration((s.total - s.loaded) / v)} left` : "";
    return `${share} % · ${bytes(s.loaded)} of ${bytes(s.total)}${v > 0 ? ` · ${bytes(v)}/s` : ""}${s.loaded < s.total ? left : ", being checked"}`;
  }
}

export class Submit {
  readonly element = h("div", { class: "two" });
  private processes: Process[] = [];
  private workflow = "sol";
  private given: Record<string, string> = {};
  /** Rasters to send in the place of values, by parameter. */
  private rasters: Record<string, File> = {};
  private dem: { name: string; upload: string } | null = null;
  private climate: { file: File | null; source: string; elevation: string } = { file: null, source: "", elevation: "" };
  private sending: Upload | null = null;
  private wanted: File | null = null;
  private recheck = 0;
  private checkNo = 0;
  /** How the DEM came. */
  private came = "";
  private stops: (() => void)[] = [];

  private cards = h("div", { class: "cards", role: "radiogroup", "aria-label": "Workflow" });
  private fieldBox = h("div", { class: "fields" });
  private more = h("div", { class: "fields" });
  private climateBox = h("fieldset", { hidden: true });
  private verdict = h("div", { id: "verdict", "aria-live": "polite" });
  private bar = h("progress", { max: 100, value: 0, "aria-label": "Upload" });
  private barText = h("span", { id: "upload-text" });
  private pauseButton = h("button", { type: "button", class: "small", id: "pause", onclick: () => this.pause() }, "Pause");
  private stopButton = h("button", { type: "button", class: "small quiet", onclick: () => this.sending?.stop() }, "Stop");
  private upload = h("div", { class: "upload", id: "upload", hidden: true }, this.bar, this.barText, h("span", { class: "actions" }, this.pauseButton, this.stopButton));
  private paused = false;
  // The same file may be chosen again after it was mended.
  private file: HTMLInputElement = h("input", { type: "file", id: "dem-file", onclick: () => (this.file.value = ""), onchange: () => this.file.files?.[0] && this.take(this.file.files[0]) });
  private climateFile: HTMLInputElement = h("input", { type: "file", id: "climate-file", accept: ".csv,text/csv", onclick: () => (this.climateFile.value = ""), onchange: () => this.climateFile.files?.[0] && this.takeClimate(this.climateFile.files[0]) });
  /** Why the job cannot be made as the form is now; empty if nothing is known against it. */
  private problem = "";
  /** The problem of before a change that is not examined yet. */
  private suspended = "";
  /** What the DEM was found to be. */
  private report: Report = {};
  private drop = h("label", { class: "drop", id: "drop", for: "dem-file" }, h("strong", {}, "Drop a DEM here"), h("span", {}, "or choose a file: a GeoTIFF, an ESRI ASCII grid or an SRTM tile, in metres, feet or degrees."), this.file);
  private submitButton = h("button", { id: "submit", class: "primary" }, "Submit the job");
  private error = h("p", { class: "problem", id: "submit-error", role: "alert", hidden: true });
  private recent = h("div", { class: "lines" });
  private system = h("dl", { class: "facts" });

  constructor(private go: (id: string) => void) {
    const form = h(
      "form",
      { novalidate: true, class: "stack", onsubmit: (e: Event) => { e.preventDefault(); void this.submit(); } },
      h("section", { class: "card" }, h("h2", {}, "1. What to map"), this.cards),
      h("section", { class: "card" }, h("h2", {}, "2. The terrain"), this.drop, this.upload, this.verdict),
      h("section", { class: "card" }, h("h2", {}, "3. Parameters"), this.climateBox, this.fieldBox, h("details", {}, h("summary", {}, "More parameters"), this.more)),
      h("div", { class: "sendbar" }, this.error, this.submitButton),
    );
    const side = h(
      "aside",
      { class: "stack" },
      h("section", { class: "card" }, h("h2", {}, "Recent jobs"), this.recent, h("p", {}, h("a", { href: "/monitor", "data-view": "jobs" }, "All jobs"))),
      h("section", { class: "card" }, h("h2", {}, "Service"), this.system),
    );
    fill(this.element, h("div", {}, h("h1", {}, "Map the sun's energy over your terrain"), h("p", { class: "lead" }, "Solar radiation, and with climate the effective energy and mass transfer (EEMT) of the critical zone."), form), side);
    this.dropping();
    void this.load();
    void this.look();
    const timer = window.setInterval(() => !document.hidden && void this.look(), 10000);
    const leaving = (e: BeforeUnloadEvent) => this.sending && e.preventDefault();
    window.addEventListener("beforeunload", leaving);
    this.stops.push(() => clearInterval(timer), () => window.removeEventListener("beforeunload", leaving));
  }

  close() {
    for (const s of this.stops) s();
    clearTimeout(this.recheck);
    if (this.sending) {
      this.sending.pause();
      note("The upload is paused: choose the same file again to continue it");
    }
  }

  private dropping() {
    const over = (e: DragEvent) => {
      if (!e.dataTransfer?.types.includes("Files")) return;
      e.preventDefault();
      this.drop.classList.add("over");
    };
    const out = () => this.drop.classList.remove("over");
    // A file that misses the box must not replace the page.
    const land = (e: DragEvent) => {
      e.preventDefault();
      out();
      const files = [...(e.dataTransfer?.files ?? [])];
      if (files.length > 1) return this.refuse("one DEM at a time: mosaic several into one with gdalwarp first");
      if (files[0]?.name.toLowerCase().endsWith(".csv")) return this.takeClimate(files[0]);
      if (files[0]?.name.toLowerCase().endsWith(".prj")) return void this.takeSystem(files[0]);
      if (files[0]) this.take(files[0]);
    };
    for (const [type, f] of [["dragover", over], ["dragenter", over], ["dragleave", out], ["drop", land]] as const) {
      document.addEventListener(type, f as EventListener);
      this.stops.push(() => document.removeEventListener(type, f as EventListener));
    }
  }

  private async load() {
    try {
      this.processes = await Promise.all(["sol", "eemt"].map((id) => ask<Process>(`/processes/${id}?f=json`)));
      const again = new URLSearchParams(location.search).get("from");
      if (again) await this.repeat(again);
    } catch (e) {
      this.complain((e as Error).message);
    }
    this.show();
  }

  /** Takes over what an earlier job was asked. */
  private async repeat(id: string) {
    const j = await ask<Job>(`/api/jobs/${encodeURIComponent(id)}`);
    this.workflow = j.workflow_type;
    this.given.fresh = "true"; // what was asked for before would be answered with that job
    for (const [name, v] of Object.entries(j.parameters)) if (v !== null) this.given[name] = Array.isArray(v) ? v.join(", ") : String(v);
    // A raster stands in the record beside the value that it replaces; in a form it is given in its place.
    for (const [field, input] of Object.entries(this.process()?.inputs ?? {})) {
      const record = plain(input.schema).file?.replace(/_file$/, "_raster");
      if (!record) continue;
      if (this.given[record]) this.given[field] = this.given[record];
      delete this.given[record];
    }
    for (const [field, record, word] of WORDS) {
      if (this.given[record] === "true") this.given[field] = word;
      delete this.given[record];
    }
    this.climate.source = String(j.parameters.climate ?? "");
    this.climate.elevation = String(j.parameters.climate_elevation ?? "");
    if (j.uploaded_filename && !j.data_expired_at) {
      this.dem = { name: j.dem_filename, upload: j.uploaded_filename };
      this.came = "from the job before";
      this.fine({}, this.came);
      void this.examineAgain();
    } else this.refuse(`the DEM ${j.dem_filename} of that job is no longer kept: choose it again`);
  }

  private process(): Process | undefined {
    return this.processes.find((p) => p.id === this.workflow);
  }

  private show() {
    fill(
      this.cards,
      this.processes.map((p) =>
        h(
          "label",
          { class: "choice" },
          h("input", { type: "radio", name: "workflow", value: p.id, checked: p.id === this.workflow, onchange: () => { this.workflow = p.id; this.show(); this.later(); } }),
          h("span", {}, h("strong", {}, p.title), h("span", {}, p.description)),
        ),
      ),
    );
    const checked = this.cards.querySelector<HTMLInputElement>("input:checked");
    if (document.activeElement === document.body) checked?.focus({ preventScroll: true });
    this.showClimate();
    const p = this.process();
    if (!p) return;
    const names = Object.keys(p.inputs).filter((n) => !SHOWN_ELSEWHERE.includes(n));
    const place = (n: string) => (FOLDED.includes(n) ? FOLDED.indexOf(n) : FOLDED.length);
    const year = (n: string) => n.endsWith("_year") && this.workflow !== "eemt";
    fill(this.fieldBox, PLAIN.filter((n) => names.includes(n) && !year(n)).map((n) => this.field(n, p.inputs[n])));
    fill(this.more, names.filter((n) => !PLAIN.includes(n)).sort((a, b) => place(a) - place(b)).map((n) => this.field(n, p.inputs[n])));
  }

  private showClimate() {
    this.climateBox.hidden = this.workflow !== "eemt";
    const old = this.climate.source;
    const wrong = this.problem.startsWith("climate") ? this.problem : "";
    fill(
      this.climateBox,
      h("legend", {}, "Climate"),
      h("label", { for: "climate-file" }, "Table of twelve months (CSV)"),
      this.climateFile,
      h("p", { class: "problem", id: "climate-problem", role: "alert", hidden: !wrong }, upper(wrong)),
      h("p", { class: "hint", id: "climate-said" }, this.climate.file ? `${this.climate.file.name}, ${bytes(this.climate.file.size)}` : old ? `as before: ${old}` : "Month by month: temperatures, precipitation, humidity; see the guide for the columns. It may be dropped anywhere on this page too."),
      h(
        "details",
        {},
        h("summary", {}, "Another source"),
        h("label", { for: "climate-source" }, "Source"),
        h("input", { id: "climate-source", value: old, placeholder: "raster:TEMPLATE or daymet:BASE", oninput: (e: Event) => { this.climate.source = (e.target as HTMLInputElement).value; }, onchange: () => this.later(true) }),
        h("label", { for: "climate-elevation" }, "Elevation of the climate"),
        h("input", { id: "climate-elevation", value: this.climate.elevation, placeholder: "metres, a raster, or dem", oninput: (e: Event) => { this.climate.elevation = (e.target as HTMLInputElement).value; }, onchange: () => this.later(true) }),
      ),
    );
  }

  private takeClimate(f: File) {
    if (this.workflow !== "eemt") {
      this.workflow = "eemt";
    }
    this.climate.file = f.size > 1 << 20 ? null : f;
    hold(this.climateFile, f);
    this.problem = "";
    this.show();
    if (f.size > 1 << 20) document.getElementById("climate-said")!.textContent = `${f.name} has ${bytes(f.size)}: a table of twelve months has at most 1 MiB`;
    void this.examineAgain(true);
  }

  private field(name: string, input: Process["inputs"][string]): HTMLElement {
    const { base, monthly, initial, file } = plain(input.schema);
    const id = `p-${name}`;
    const now = this.given[name] ?? (initial === undefined ? "" : String(initial));
    const set = (text: string) => {
      if (initial !== undefined && text === String(initial)) delete this.given[name];
      else this.given[name] = text;
      said.textContent = outOfRange(text, base, monthly) ?? "";
      control.setAttribute("aria-invalid", String(said.textContent !== ""));
      this.later();
    };
    const range = base.minimum !== undefined ? `${base.minimum} to ${base.maximum}` : "";
    const said = h("span", { class: "problem", id: `${id}-said`, role: "alert" });
    const hint = h("span", { class: "hint", id: `${id}-hint` }, [input.description, range].filter(Boolean).join("; "));
    let control: HTMLInputElement | HTMLSelectElement;
    if (base.type === "array") {
      const chosen = new Set(now.split(",").map((t) => t.trim()).filter(Boolean));
      const box = (v: string) => h("label", { class: "tick" }, h("input", { type: "checkbox", value: v, checked: chosen.has(v), onchange: (e: Event) => { (e.target as HTMLInputElement).checked ? chosen.add(v) : chosen.delete(v); this.given[name] = [...chosen].join(","); this.later(); } }), ` ${v.replaceAll("_", " ")}`);
      return h("fieldset", { class: "field several", id }, h("legend", {}, input.title), h("span", { class: "hint" }, input.description), (base.items?.enum ?? []).map(box));
    }
    if (base.type === "boolean") control = h("input", { type: "checkbox", id, checked: now === "true", onchange: (e: Event) => set(String((e.target as HTMLInputElement).checked)) });
    else if (base.enum) control = h("select", { id, onchange: (e: Event) => set((e.target as HTMLSelectElement).value) }, base.enum.map((v) => h("option", { value: v, selected: v === now }, v)));
    else
      control = h("input", {
        id,
        type: (base.type === "number" || base.type === "integer") && !monthly ? "number" : "text",
        inputMode: base.type === "integer" ? "numeric" : base.type === "number" && !monthly ? "decimal" : "text",
        min: base.minimum,
        max: base.maximum,
        step: base.type === "integer" ? 1 : "any",
        value: now,
        oninput: (e: Event) => set((e.target as HTMLInputElement).value),
      });
    control.setAttribute("aria-describedby", `${id}-hint ${id}-said`);
    const label = h("label", { for: id }, input.title);
    return h("div", { class: base.type === "boolean" ? "field tick" : "field" }, base.type === "boolean" ? [control, label] : [label, control], hint, said, file ? this.raster(name, input.title, control as HTMLInputElement) : null);
  }

  /** Lets a file of this machine take the place of a value. */
  private raster(name: string, title: string, control: HTMLInputElement): HTMLElement {
    const id = `r-${name}`;
    const pick = h("input", { type: "file", id, onchange: () => set(pick.files?.[0] ?? null) });
    const away = h("button", { type: "button", class: "small quiet", "aria-label": `No raster for ${title}`, onclick: () => { pick.value = ""; set(null); control.focus(); } }, "Remove");
    const text = h("span", { class: "hint", id: `${id}-said`, role: "status" });
    const show = () => {
      const f = this.rasters[name];
      control.disabled = !!f;
      control.removeAttribute("aria-invalid");
      away.hidden = !f;
      text.textContent = f ? `${f.name}, ${bytes(f.size)}, in place of the value` : "";
    };
    const set = (f: File | null) => {
      if (f) this.rasters[name] = f;
      else delete this.rasters[name];
      show();
      this.later(true);
    };
    show();
    return h("details", { class: "raster", open: !!this.rasters[name] }, h("summary", {}, "Raster"), h("label", { for: id, class: "hint" }, `${title}: a GeoTIFF of one band, or of twelve for January to December`), pick, away, text);
  }

  // The DEM.

  private take(f: File) {
    if (f.size === 0) return this.refuse(`${f.name} is empty`);
    this.wanted = f;
    hold(this.file, f);
    void this.send(f);
  }

  /** A .prj file states where the DEM lies. */
  private async takeSystem(f: File) {
    if (f.size > 16 << 10) return this.complain(`${f.name} has ${bytes(f.size)}: a .prj file has at most 16 kB`);
    this.given.dem_crs = (await f.text()).trim();
    this.show();
    this.later();
  }

  private form(upload: string): FormData {
    const form = new FormData();
    form.set("uploaded_filename", upload);
    form.set("workflow_type", this.workflow);
    const p = this.process();
    for (const [name, v] of Object.entries(this.given)) if (v.trim() !== "" && (!p || (name in p.inputs && !ELSEWHERE.includes(name)))) form.set(name, v.trim());
    return form;
  }

  /** The files beside the DEM, and where climate comes from. */
  private withFiles(form: FormData, largest = Infinity) {
    const p = this.process();
    for (const [name, f] of Object.entries(this.rasters)) {
      if (f.size > largest) continue;
      const field = p && name in p.inputs ? plain(p.inputs[name].schema).file : undefined;
      if (!field) continue;
      form.delete(name);
      form.set(field, f);
    }
    if (this.workflow !== "eemt") return;
    if (this.climate.file) form.set("climate_file", this.climate.file); // 1 MiB at most
    else if (this.climate.source.trim()) form.set("climate", this.climate.source.trim());
    if (this.climate.elevation.trim()) form.set("climate_elevation", this.climate.elevation.trim());
  }

  private async send(f: File) {
    this.sending?.stop();
    this.dem = null;
    this.hush();
    let meter = new Meter();
    this.upload.hidden = false;
    this.paused = false;
    this.pauseButton.textContent = "Pause";
    this.barText.textContent = "starting";
    this.bar.value = 0;
    fill(this.verdict, f.size > 500e6 ? h("p", { class: "hint" }, `${f.name} has ${bytes(f.size)}: sending it takes a while, and so does computing. Keep this page open until it is sent. If the page is closed, choose the same file again within a day to continue the upload.`) : null);
    const began = performance.now();
    let first = -1;
    const sending = bring(
      f,
      (s) => {
        if (first < 0) first = s.loaded;
        meter.add(s, performance.now());
        this.bar.value = (100 * s.loaded) / s.total;
        this.barText.textContent = meter.words(s);
      },
      (standing, wait) => {
        this.upload.dataset.standing = standing;
        if (standing === "sending") return;
        meter = new Meter();
        const share = `${Math.floor(this.bar.value)} %`;
        this.barText.textContent = standing === "paused" ? `${share} · paused` : `${share} · connection lost; next try in ${duration(wait / 1000)}`;
      },
    );
    this.sending = sending;
    try {
      const name = await sending.done;
      if (this.sending !== sending) return;
      const seconds = (performance.now() - began) / 1000;
      this.dem = { name: f.name, upload: name };
      this.came = `${bytes(f.size)} in ${duration(seconds)}${seconds > 2 ? `, ${bytes((f.size - Math.max(first, 0)) / seconds)}/s` : ""}`;
      this.sending = null;
      await this.examine();
    } catch (e) {
      if (this.sending !== sending) return;
      const r = e as Refusal;
      if (r.status === -1) fill(this.verdict, h("p", { class: "hint" }, "The upload was stopped."));
      else this.refuse(r.message, r.status === 0);
    }
    this.sending = null;
    this.upload.hidden = true;
  }

  private pause() {
    this.paused = !this.paused;
    this.pauseButton.textContent = this.paused ? "Continue" : "Pause";
    if (this.paused) this.sending?.pause();
    else this.sending?.resume();
  }

  /** What a DEM that has just come is; one that will not do is forgotten. */
  private async examine() {
    if (!(await canExamine())) return this.fine({}, this.came);
    const form = this.form(this.dem!.upload);
    this.withFiles(form, LOOKED_AT);
    const no = ++this.checkNo;
    try {
      const { body } = await post<Report>("/api/check", form).done;
      if (no !== this.checkNo || !this.dem) return;
      this.well();
      this.fine(body, this.came);
    } catch (e) {
      if (no !== this.checkNo) return;
      const r = e as Refusal;
      const found = asReport(r.body);
      if (found && (found.climate?.detail || found.findings?.some(settles))) return this.unfit(r.message, found);
      if (found) this.dem = null;
      else if (r.status !== 0) return this.unfit(r.message); // a parameter is wrong, or the climate, not the DEM
      this.refuse(r.message, r.status === 0);
    }
  }

  private refuse(text: string, again = false) {
    fill(this.verdict, h("div", { class: "verdict bad" }, again ? null : h("strong", {}, "This file cannot be used: "), h("span", {}, upper(text)), again && this.wanted ? h("button", { type: "button", onclick: () => (this.dem ? void this.examine() : this.wanted && this.take(this.wanted)) }, "Try again") : null));
  }

  /** The DEM is one, but the job that the form describes cannot be made. */
  private unfit(why: string, found?: Report) {
    this.problem = why;
    // What is known of the DEM stays: another climate, or a parameter, may settle it.
    if (found) this.report = { ...found, findings: found.findings?.filter(listed) };
    this.fine(this.report, this.came);
    if (why.startsWith("climate") && this.workflow === "eemt") this.showClimate();
    else this.complain(why);
  }

  private fine(r: Report, size: string) {
    this.report = r;
    const facts: [string, string][] = [];
    if (r.width) facts.push(["Size", `${value(r.width)} × ${value(r.height ?? 0)} cells`]);
    if (r.cell_size_m) facts.push(["Cell", `${value(r.cell_size_m[0], 3)} × ${value(r.cell_size_m[1], 3)} m`]);
    if (r.crs) facts.push(["Reference system", r.crs]);
    if (r.bbox) facts.push(["Extent", `${r.bbox[0].toFixed(3)}° to ${r.bbox[2].toFixed(3)}° E, ${r.bbox[1].toFixed(3)}° to ${r.bbox[3].toFixed(3)}° N`]);
    if (r.elevation) facts.push(["Elevation", `${value(r.elevation.min, 4)} to ${value(r.elevation.max, 4)} m${r.vertical_unit && !/^met/.test(r.vertical_unit) ? `, stored in ${r.vertical_unit}` : ""}`]);
    if (r.nodata) facts.push(["No data", `${value(100 * r.nodata.share, 2)} %${r.nodata.voids ? `, ${count(r.nodata.voids, "hole")}` : ""}`]);
    if (r.climate) facts.push(["Climate", r.climate.detail ?? `covers ${value(100 * r.climate.covered, 3)} %`]);
    if (r.estimate) facts.push(["The job needs", `about ${duration(r.estimate.seconds)} on ${count(r.estimate.cores, "core")}, ${bytes(r.estimate.memory_bytes)} of memory, ${bytes(r.estimate.results_bytes)} of results, ${count(r.estimate.tiles, "tile")}`]);
    const findings = (r.findings ?? []).filter((f) => !this.problem || f.code !== "climate-missing");
    fill(
      this.verdict,
      h(
        "div",
        { class: this.problem ? "verdict bad" : doubtful(findings) ? "verdict fair" : "verdict good" },
        h("strong", {}, this.problem ? `${this.dem!.name} is uploaded, but the job cannot be computed: ` : `${this.dem!.name} is ready`),
        h("span", {}, this.problem ? upper(this.problem) : ` (${size})`),
        facts.length ? h("dl", { class: "facts" }, facts.flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, v)])) : null,
        findingList(findings, (code, on) => this.accept(code, on)),
      ),
    );
  }

  /** Accepts a finding, or no longer. */
  private accept(code: string, on: boolean) {
    const codes = (this.given.accept ?? "").split(",").map((c) => c.trim()).filter((c) => c && c !== code);
    if (on) codes.push(code);
    this.given.accept = codes.join(",");
    this.later();
  }

  private later(files = false) {
    this.suspended = this.problem;
    this.problem = ""; // until it is examined again
    clearTimeout(this.recheck);
    this.recheck = window.setTimeout(() => void this.examineAgain(files), files ? 50 : 700);
  }

  /** Asks for the estimate again after parameters changed; with rasters only when one of those did. The climate table is always sent: it is small. */
  private async examineAgain(files = false) {
    if (!this.dem || this.sending || !(await canExamine())) return;
    const form = this.form(this.dem.upload);
    const known = this.suspended;
    this.withFiles(form, files ? LOOKED_AT : 0);
    // A source elsewhere is not read again for each parameter.
    const unread = !files && !this.climate.file && !known && form.has("climate");
    if (unread) form.delete("climate");
    const no = ++this.checkNo;
    try {
      const { body } = await post<Report>("/api/check", form).done;
      if (no !== this.checkNo || !this.dem) return;
      if (unread) body.findings = body.findings?.filter((f) => f.code !== "climate-missing");
      this.well();
      this.fine(body, this.came);
      this.hush();
    } catch (e) {
      if (no === this.checkNo && (e as Refusal).status !== 0) this.unfit((e as Error).message, asReport((e as Refusal).body));
    }
  }

  /** Nothing is known against the job any more. */
  private well() {
    const said = `${this.problem}${this.suspended}`.startsWith("climate");
    this.problem = this.suspended = "";
    if (said) this.showClimate();
  }

  private complain(text: string) {
    this.error.textContent = upper(text);
    this.error.hidden = false;
    const named = /^([a-z_-]+)\b/.exec(text)?.[1].replaceAll("-", "_");
    const control = named && document.getElementById(`p-${named}`);
    if (control) control.setAttribute("aria-invalid", "true");
  }

  private hush() {
    this.error.hidden = true;
  }

  private async submit() {
    this.hush();
    const wrong = this.element.querySelector<HTMLElement>("[aria-invalid=true]");
    if (wrong) {
      wrong.focus();
      return;
    }
    if (this.sending) return this.complain("the DEM is still on its way: submit when it is there");
    if (!this.dem) {
      this.complain("no DEM yet: drop one in the box above, or choose a file");
      this.file.focus();
      return;
    }
    if (this.workflow === "eemt" && !this.climate.file && !this.climate.source.trim()) {
      this.complain("EEMT needs a climate: choose a table of twelve months");
      document.getElementById("climate-file")?.focus();
      return;
    }
    if (this.problem) {
      this.complain(this.problem);
      if (this.problem.startsWith("climate")) this.climateFile.focus();
      return;
    }
    const form = this.form(this.dem.upload);
    this.withFiles(form);
    this.submitButton.disabled = true;
    try {
      const { body } = await post<{ job_id: string; existing?: boolean }>("/api/submit-job", form, (s) => {
        if (s.total > 1e6) this.submitButton.textContent = s.loaded < s.total ? `Sending the rasters, ${Math.floor((100 * s.loaded) / s.total)} %` : "Being checked";
      }).done;
      note(body.existing ? `Job ${body.job_id.slice(-8)} does the same: the field "Another job" makes another` : `Job ${body.job_id.slice(-8)} is submitted`);
      this.go(body.job_id);
    } catch (e) {
      this.complain((e as Error).message);
      this.submitButton.disabled = false;
      this.submitButton.textContent = "Submit the job";
    }
  }

  // Beside the form.

  private followed = new Map<string, () => void>();

  private async look() {
    try {
      const jobs = await ask<Job[]>("/api/jobs?limit=5");
      fill(this.recent, jobs.length ? jobs.map((j) => jobLine(j)) : h("p", { class: "hint" }, "No job yet."));
      const running = jobs.find((j) => j.status === "running");
      for (const [id, stop] of this.followed) if (id !== running?.id) {
        stop();
        this.followed.delete(id);
      }
      if (running && !this.followed.has(running.id)) {
        const again = () => void this.look();
        this.followed.set(running.id, follow(running.id, (j) => {
          const old = this.recent.querySelector(`[data-job="${CSS.escape(j.id)}"]`);
          old?.replaceWith(jobLine(j));
          if (j.status !== "running") again();
        }, again));
        this.stops.push(() => this.followed.forEach((s) => s()));
      }
    } catch (e) {
      fill(this.recent, h("p", { class: "problem" }, upper((e as Error).message)));
    }
    try {
      const s = await ask<{ execution: string; version: string; active_jobs: number; bucket_ok: boolean; system_info: { cpu_count: number } }>("/api/system/status");
      fill(this.system, [["State", s.bucket_ok ? "ready" : "the storage does not answer"], ["Execution", s.execution], ["Cores", String(s.system_info.cpu_count)], ["Active jobs", String(s.active_jobs)], ["Version", s.version]].flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));
    } catch {
      try {
        const s = await ask<{ status: string }>("/health");
        fill(this.system, h("dt", {}, "State"), h("dd", {}, s.status));
      } catch (e) {
        fill(this.system, h("dt", {}, "State"), h("dd", {}, (e as Error).message));
      }
    }
  }
}

/** The report that a refusal holds; undefined if it holds none. */
function asReport(body: string): (Report & { usable: boolean }) | undefined {
  try {
    const r = JSON.parse(body);
    return typeof r.usable === "boolean" ? r : undefined;
  } catch {
    return undefined;
  }
}

/** Lets a file input show a file that came another way. */
function hold(input: HTMLInputElement, f: File) {
  if (input.files?.[0] === f) return;
  const d = new DataTransfer();
  d.items.add(f);
  input.files = d.files;
}

function plain(s: Schema): { base: Schema; monthly: boolean; initial: unknown; file: string | undefined } {
  const forms = s.anyOf ?? s.oneOf ?? [s];
  return { base: forms[0], monthly: forms.length > 1 && forms.some((o) => o.type === "array"), initial: s.default, file: forms.find((o) => o["x-file-field"])?.["x-file-field"] };
}

/** Why a value is out of range, in the service's words; null if it is fine or left empty. */
export function outOfRange(text: string, s: Schema, monthly: boolean): string | null {
  if (text.trim() === "" || s.enum || (s.type !== "number" && s.type !== "integer")) return null;
  // A name such as a raster is for the service to judge.
  const parts = monthly ? text.split(",") : [text];
  const numbers = parts.map((p) => Number(p.trim() || NaN));
  if (monthly && numbers.some(Number.isNaN)) return null;
  if (monthly && parts.length !== 1 && parts.length !== 12) return `must be one value, or twelve for January to December; these are ${parts.length}`;
  for (const n of numbers) {
    if (Number.isNaN(n) || (s.type === "integer" && !Number.isInteger(n)) || (s.minimum !== undefined && n < s.minimum) || (s.maximum !== undefined && n > s.maximum))
      return `must be ${s.type === "integer" ? "a whole number" : "a number"}${s.minimum !== undefined ? ` of ${s.minimum} to ${s.maximum}` : ""}`;
  }
  return null;
}

export function upper(text: string): string {
  const t = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:]$/.test(t) ? t : `${t}.`;
}
