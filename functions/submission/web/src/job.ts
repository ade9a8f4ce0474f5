// One job: how it goes, what it was asked, what it made.
import { ask, cancelled, ended, follow, Job, owned, Refusal, state, WORDS } from "./api";
import { fill, h, note } from "./dom";
import { ago, bytes, duration, time } from "./format";
import { badge, cancel, countdown, pinButton, progressBar, remove } from "./jobs";
import { linked, may, named, withTicket } from "./login";
import { Result } from "./result";
import { share } from "./share";
import { replaceTicket, ticketOf } from "./tickets";
import { findingList } from "./findings";
import { upper } from "./submit";

export interface File {
  name: string;
  size: number;
  href: string;
}

export class JobPage {
  readonly element = h("div", { class: "stack" });
  private head = h("div", { class: "card" });
  private log = h("ol", { class: "log", id: "log", "aria-live": "polite", "aria-label": "Messages of the job" });
  private logBox = h("details", { class: "card", open: true }, h("summary", {}, "Log"), this.log);
  private rest = h("div", { class: "stack" });
  private stop = () => {};
  private result: Result | null = null;
  private said = "";
  private tick = 0;
  private job: Job | null = null;
  private built = "";
  private pinned: boolean | undefined;
  private bar: HTMLProgressElement | null = null;
  private barText = h("span");

  constructor(
    id: string,
    private leave: () => void,
  ) {
    fill(this.element, h("p", {}, h("a", { href: "/monitor", "data-view": "jobs" }, "← All jobs")), this.banner, this.head, this.rest, this.logBox);
    this.start(id).then(
      (j) => {
        this.news(j);
        if (!ended(j)) this.stop = follow(id, (n) => this.news(n), () => this.gone(), (lost) => this.away(lost));
      },
      (e: Refusal) => (e.status === 404 ? this.gone() : fill(this.head, h("h1", {}, "Job"), h("p", { class: "problem" }, upper(e.message)))),
    );
    this.tick = window.setInterval(() => this.job && this.clock(this.job), 1000);
    this.renewal = window.setInterval(() => void this.renew(id), 60e3);
  }

  /** The job, and what may be done with it. */
  private async start(id: string): Promise<Job> {
    const j = await ask<Job>(`/api/jobs/${encodeURIComponent(id)}`);
    // A job that others share is read only; where nobody has a name there are no others.
    this.mine = !linked(id) && (named() ? await owned(id).catch(() => false) : may("user"));
    this.ticket = await ticketOf(id);
    return j;
  }

  /** Puts a new ticket into the addresses of the page before the old one expires. */
  private async renew(id: string) {
    const now = await ticketOf(id);
    replaceTicket(this.element, this.ticket, now);
    this.ticket = now;
  }

  /** Whether the caller may change the job. */
  private mine = true;
  private ticket = "";
  private renewal = 0;

  close() {
    this.stop();
    clearInterval(this.tick);
    clearInterval(this.renewal);
    this.result?.close();
  }

  private gone() {
    this.stop();
    fill(this.head, h("h1", {}, "No such job"), h("p", {}, "It was deleted, or its id is wrong. ", h("a", { href: "/monitor", "data-view": "jobs" }, "All jobs")));
    fill(this.rest);
    this.logBox.hidden = true;
  }

  /** Says that what is shown is of before. */
  private away(lost: boolean) {
    this.lost = lost;
    fill(this.banner, lost ? h("div", { class: "verdict bad" }, h("strong", {}, "Connection lost. "), "The server does not answer: it may be stopped, or the network down. What is shown is how the job was; this page tries again by itself.") : null);
    if (this.job) this.clock(this.job);
  }

  private lost = false;
  private banner = h("div", { id: "connection", role: "status" });
  private clockText = h("span", { class: "hint" });
  private pinBox = h("span");

  private showPin(j: Job) {
    const again = () => void ask<Job>(`/api/jobs/${j.id}`).then((n) => this.news(n)).then(() => this.pinBox.querySelector("button")?.focus());
    fill(this.pinBox, this.mine ? pinButton(j, again) : null);
  }

  private clock(j: Job) {
    if (ended(j)) this.clockText.textContent = [j.started_at && j.completed_at ? `took ${duration((Date.parse(j.completed_at) - Date.parse(j.started_at)) / 1000)}` : "", countdown(j)].filter(Boolean).join(" · ");
    else {
      const left = j.estimated_completion ? (Date.parse(j.estimated_completion) - Date.now()) / 1000 : NaN;
      this.clockText.textContent = [`submitted ${ago(j.created_at, Date.now())}`, left > 0 && !this.lost ? `about ${duration(left)} left` : ""].filter(Boolean).join(" · ");
    }
  }

  private news(j: Job) {
    this.job = j;
    if (this.lost) this.away(false);
    const message = j.message ?? j.current_task ?? "";
    const line = message || `${state(j)}${j.tasks_planned ? `, ${j.tasks_done} of ${j.tasks_planned} tiles` : ""}`;
    if (line !== this.said) {
      this.said = line;
      this.log.append(h("li", {}, h("time", {}, new Date().toLocaleTimeString()), ` ${line}`));
      while (this.log.children.length > 200) this.log.firstElementChild!.remove();
    }
    if (j.pinned !== this.pinned) {
      this.pinned = j.pinned;
      this.showPin(j);
    }
    const shape = `${state(j)}`;
    if (shape !== this.built) {
      this.built = shape;
      this.build(j);
    }
    if (this.bar) {
      this.bar.value = j.progress;
      this.barText.textContent = `${j.progress} % · ${line}`;
    }
    this.clock(j);
  }

  private build(j: Job) {
    const act = async (f: (j: Job) => Promise<boolean>, then: () => void) => {
      if (this.job && (await f(this.job))) then();
    };
    this.bar = ended(j) ? null : (progressBar(j) as HTMLProgressElement);
    const done = j.status === "completed" && !j.data_expired_at;
    const stages = ["submitted", "planned", "tiles", "maps"];
    const at = j.status === "pending" ? 0 : j.status === "running" ? 2 : 4;
    fill(
      this.head,
      h("div", { class: "titled" }, h("h1", {}, j.dem_filename), badge(j), this.clockText, this.pinBox),
      h("p", { class: "hint" }, `${j.workflow_type === "eemt" ? "Effective energy and mass transfer" : "Solar radiation"} · job `, h("code", { class: "whole" }, j.id), " ", copyButton(j.id, "the job's id"), ` · ${time(j.created_at)}`),
      ended(j) ? null : h("ol", { class: "stages", "aria-label": "Stages" }, stages.map((s, i) => h("li", { class: i < at ? "done" : i === at ? "now" : "" }, s))),
      this.bar ? h("p", { class: "progress" }, this.bar, this.barText) : null,
      j.error_message ? h("div", { class: cancelled(j) ? "verdict fair" : "verdict bad" }, upper(j.error_message)) : null,
      j.status === "completed" ? null : findingList((j.findings ?? []).filter((f) => f.severity !== "refusal")),
      j.data_expired_at ? h("div", { class: "verdict fair" }, `The maps were deleted ${ago(j.data_expired_at, Date.now())} (retention period over). Run the job again to compute them again.`) : null,
      h(
        "p",
        { class: "actions" },
        done ? h("a", { class: "button primary", id: "zip", href: withTicket(`/api/jobs/${j.id}/results`, this.ticket), download: "" }, "Download all (ZIP)") : null,
        done ? h("a", { class: "button", href: withTicket(`/jobs/${j.id}/results/report.json`, this.ticket) }, "Report") : null,
        this.mine ? h("a", { class: "button", id: "again", href: `/?from=${j.id}`, "data-view": "new" }, "Edit and rerun") : null,
        this.mine && named() ? h("button", { type: "button", id: "share", onclick: () => void share(j.id, copyButton) }, "Share") : null,
        !this.mine
          ? null
          : ended(j)
          ? h("button", { type: "button", id: "delete", class: "danger", onclick: () => void act(remove, this.leave) }, "Delete")
          : h("button", { type: "button", id: "cancel", class: "danger", onclick: () => void act(cancel, () => void ask<Job>(`/api/jobs/${j.id}`).then((n) => this.news(n))) }, "Cancel"),
      ),
      h("details", {}, h("summary", {}, "Parameters"), h("dl", { class: "facts" }, Object.entries(j.parameters).flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, Array.isArray(v) ? v.join(", ") : String(v))]))),
    );
    if (ended(j)) void this.logs(j);
    this.result?.close();
    this.result = null;
    fill(this.rest);
    if (done) {
      this.logBox.open = false;
      void this.results(j);
    }
  }

  /** The course of an ended job, where the service tells it. */
  private async logs(j: Job) {
    try {
      const text = await ask<string>(`/api/jobs/${j.id}/logs?tail=200`);
      fill(this.log, text.split("\n").filter(Boolean).map((l) => h("li", {}, l)));
    } catch {
      // What was heard while the page was open stays.
    }
  }

  private async results(j: Job) {
    try {
      const [files, report] = await Promise.all([ask<File[]>(`/jobs/${j.id}/results/`), ask<Record<string, unknown>>(`/jobs/${j.id}/results/report.json`)]);
      if (this.job !== j && this.built !== "completed") return;
      this.result = new Result(j, files, report);
      fill(this.rest, this.result.element, downloads(j, files, () => this.ticket));
    } catch (e) {
      fill(this.rest, h("p", { class: "problem" }, upper((e as Error).message)));
    }
  }
}

function copyButton(text: string | (() => string), what: string): HTMLElement {
  return h(
    "button",
    {
      type: "button",
      class: "small quiet",
      "aria-label": `Copy ${what}`,
      onclick: () => {
        // A page over plain http has no clipboard but for localhost.
        if (navigator.clipboard) void navigator.clipboard.writeText(typeof text === "string" ? text : text()).then(() => note(`Copied ${what}`), () => note("The browser does not let this page copy", "bad"));
        else note("Copying needs https or localhost: mark the text and copy it", "bad");
      },
    },
    "Copy",
  );
}

function downloads(j: Job, files: File[], ticket: () => string): HTMLElement {
  const total = files.reduce((n, f) => n + f.size, 0);
  const filter = h("input", { type: "search", id: "file-filter", placeholder: "Filter", "aria-label": "Filter the files", oninput: () => show() });
  const list = h("ul", { class: "files" });
  const show = () => {
    const t = filter.value.toLowerCase();
    fill(list, files.filter((f) => f.name.toLowerCase().includes(t)).slice(0, 400).map((f) => h("li", {}, h("a", { href: withTicket(f.href, ticket()), download: f.name.split("/").pop() }, f.name), h("span", { class: "hint" }, bytes(f.size)))));
  };
  show();
  const example = files.find((f) => f.name.endsWith("total_sun_sum.tif"))?.name ?? files.find((f) => f.name.endsWith(".tif"))?.name ?? "slope_dec.tif";
  const item = files.find((f) => /(^|\/)item\.json$/.test(f.name));
  const u = withTicket(`${location.origin}/jobs/${j.id}/results/${example}`, ticket());
  const zip = withTicket(`${location.origin}/api/jobs/${j.id}/results`, ticket());
  // A shell takes ? for a pattern.
  const shell = (text: string) => (text.includes("?") ? `'${text}'` : text);
  const snippets: [string, string][] = [
    ["curl", `curl -o maps.zip ${shell(zip)}\ncurl -O ${shell(u)}`],
    ["GDAL", `gdalinfo -stats ${shell(`/vsicurl/${u}`)}\ngdallocationinfo -wgs84 ${shell(`/vsicurl/${u}`)} LONGITUDE LATITUDE\ngdal_translate -projwin WEST NORTH EAST SOUTH ${shell(`/vsicurl/${u}`)} part.tif`],
    ["QGIS", `# Layer > Add Layer > Add Raster Layer > Protocol: HTTP(S), cloud, etc.\n${u}\n# or in the Python console:\niface.addRasterLayer("/vsicurl/${u}", "${example.split("/").pop()!.replace(".tif", "")}")`],
    ["Python", `import rasterio\n\nwith rasterio.open("${u}") as src:\n    band = src.read(1, masked=True)\n    print(src.crs, src.units, band.mean())`],
    ["Command line", `eemt run ${j.workflow_type} ${quote(j.dem_filename)}${flags(j)}`],
  ];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Files and how to use them"),
    h("p", { class: "hint" }, `${files.length} files, ${bytes(total)}. Maps are cloud-optimised GeoTIFF: programs read the part they need over HTTP. `, item ? h("a", { href: withTicket(item.href, ticket()) }, "STAC item") : null),
    h("details", {}, h("summary", {}, "All files"), filter, list),
    snippets.map(([name, text]) => {
      const lines = h("pre", { tabIndex: 0, "aria-label": name }, text);
      return h("details", { class: "snippet" }, h("summary", {}, name), copyButton(() => lines.textContent!, `the ${name} lines`), lines);
    }),
  );
}

/** A file name as a shell takes it. */
export function quote(name: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(name) && !name.startsWith("-") ? name : `'${name.replace(/'/g, "'\\''")}'`;
}

/** What a job was asked, as flags of eemt run. */
export function flags(j: Pick<Job, "workflow_type" | "parameters">): string {
  const usual: Record<string, string> = { step: "15", linke_value: "3", albedo_value: "0.2", north: "true", shadows: "on", method: "fast", start_year: "2020", end_year: "2020", tile_size: "0", daily: "false" };
  let text = "";
  for (const [k, v] of Object.entries(j.parameters)) {
    const t = Array.isArray(v) ? v.join(",") : String(v);
    const word = WORDS.find(([, record]) => record === k);
    if (word && t === "true") text += ` --${word[0].replaceAll("_", "-")} ${word[2]}`;
    if (word || t === "" || usual[k] === t || (k.endsWith("_year") && j.workflow_type === "sol")) continue;
    text += ` --${k.replaceAll("_", "-")} ${quote(k === "climate" ? t.replace(/^table:inputs\/[^_]*_/, "table:") : t)}`;
  }
  return text;
}
