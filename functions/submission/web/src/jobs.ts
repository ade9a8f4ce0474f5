// The list of jobs.
import { ask, ended, expires, Job, Keep, post, retention, Refusal, state } from "./api";
import { confirmed, fill, h, note } from "./dom";
import { ago, bytes, duration } from "./format";

export function badge(j: Job): HTMLElement {
  const s = state(j);
  return h("span", { class: `badge ${s}` }, s);
}

export function progressBar(j: Job): HTMLElement {
  return h("progress", { max: 100, value: j.progress, "aria-label": `Progress of job ${j.id.slice(-8)}` });
}

/** A job in one line, for the side of the form. */
export function jobLine(j: Job): HTMLElement {
  return h(
    "a",
    { class: "line", href: `/monitor#${j.id}`, "data-view": "job", "data-job": j.id },
    h("span", { class: "name" }, j.dem_filename),
    badge(j),
    ended(j) ? null : progressBar(j),
  );
}

export async function cancel(j: Job): Promise<boolean> {
  if (!(await confirmed("Cancel this job?", `${j.workflow_type} of ${j.dem_filename}, ${j.progress} % done. What is computed so far is lost.`, "Cancel the job"))) return false;
  return act(() => ask(`/api/jobs/${j.id}/cancel`, { method: "POST" }), "The job is cancelled");
}

export async function remove(j: Job): Promise<boolean> {
  if (!(await confirmed("Delete this job?", `${j.workflow_type} of ${j.dem_filename}, with all of its maps. This cannot be taken back.`, "Delete it"))) return false;
  return act(() => ask(`/api/jobs/${j.id}`, { method: "DELETE" }), "The job is deleted");
}

async function act(f: () => Promise<unknown>, done: string): Promise<boolean> {
  try {
    await f();
    note(done);
    return true;
  } catch (e) {
    note((e as Error).message, "bad");
    return false;
  }
}

export function countdown(j: Job, k: Keep): string {
  const at = expires(j, k);
  if (Number.isNaN(at)) return j.data_expired_at ? "maps deleted" : "";
  const left = (at - Date.now()) / 1000;
  return left > 0 ? `kept for ${duration(left)}` : "goes with the next cleanup";
}

const PAGE = 50;

export class Jobs {
  readonly element = h("div", { class: "stack" });
  private jobs: Job[] = [];
  private limit = PAGE;
  private state = h("select", { id: "f-state", onchange: () => void this.load() }, ["any", "pending", "running", "completed", "failed", "cancelled"].map((v) => h("option", { value: v }, v)));
  private kind = h("select", { id: "f-kind", onchange: () => this.show() }, ["any", "sol", "eemt"].map((v) => h("option", { value: v }, v)));
  private text = h("input", { id: "f-text", type: "search", placeholder: "DEM or job id", oninput: () => this.show() });
  private body = h("tbody");
  private counts = h("div", { class: "counts" });
  private more = h("button", { type: "button", hidden: true, onclick: () => { this.limit = Math.min(1000, this.limit * 2); void this.load(); } }, "Show older jobs");
  private stamp = h("span", { class: "hint", "aria-live": "off" });
  private empty = h("p", { class: "hint" });
  private clean = h("section", { class: "card", hidden: true });
  private timer = 0;
  private keep: Keep = { days: 7, hours: 12, cleaning: false };
  private closed = false;

  constructor() {
    fill(
      this.element,
      h("div", { class: "titled" }, h("h1", {}, "Jobs"), this.stamp, h("button", { type: "button", onclick: () => void this.load() }, "Refresh"), h("a", { class: "button primary", href: "/", "data-view": "new" }, "New job")),
      this.counts,
      h("div", { class: "filters" }, h("label", { for: "f-text" }, "Search"), this.text, h("label", { for: "f-state" }, "State"), this.state, h("label", { for: "f-kind" }, "Workflow"), this.kind),
      h("div", { class: "card flush" }, h("table", { class: "jobs" }, h("thead", {}, h("tr", {}, ["DEM", "Workflow", "State", "Progress", "Submitted", "Actions"].map((t) => h("th", { scope: "col" }, t)))), this.body), this.empty),
      this.more,
      this.clean,
    );
    void retention().then((k) => {
      this.keep = k;
      this.show();
      if (k.cleaning) this.showClean();
    });
    void this.load();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async load() {
    clearTimeout(this.timer);
    const want = this.state.value;
    const status = want === "any" ? "" : `&status=${want === "cancelled" ? "failed" : want}`;
    try {
      this.jobs = await ask<Job[]>(`/api/jobs?limit=${this.limit}${status}`);
      if (this.closed) return;
      this.stamp.textContent = `as of ${new Date().toLocaleTimeString()}`;
      this.more.hidden = this.jobs.length < this.limit || this.limit >= 1000;
      this.show();
    } catch (e) {
      this.stamp.textContent = (e as Refusal).message;
    }
    if (this.closed) return;
    const soon = this.jobs.some((j) => !ended(j)) ? 3000 : 15000;
    this.timer = window.setTimeout(() => (document.hidden ? this.wait() : void this.load()), soon);
  }

  private wait() {
    const seen = () => {
      document.removeEventListener("visibilitychange", seen);
      if (!this.closed) void this.load();
    };
    document.addEventListener("visibilitychange", seen);
  }

  private show() {
    const text = this.text.value.trim().toLowerCase();
    const list = this.jobs.filter(
      (j) => (this.kind.value === "any" || j.workflow_type === this.kind.value) && (this.state.value === "any" || state(j) === this.state.value || (this.state.value === "completed" && j.status === "completed")) && (text === "" || j.dem_filename.toLowerCase().includes(text) || j.id.toLowerCase().includes(text)),
    );
    const count = (s: string) => this.jobs.filter((j) => j.status === s).length;
    fill(this.counts, ["pending", "running", "completed", "failed"].map((s) => h("div", { class: `count ${s}` }, h("strong", {}, count(s)), h("span", {}, s === "failed" ? "failed or cancelled" : s))));
    // A row that is in use must not be pulled away by news.
    const focus = document.activeElement?.closest("tr")?.dataset.job;
    const which = (document.activeElement as HTMLElement | null)?.dataset.action;
    fill(this.body, list.map((j) => this.row(j)));
    if (focus && which) this.body.querySelector<HTMLElement>(`tr[data-job="${focus}"] [data-action="${which}"]`)?.focus();
    this.empty.textContent = list.length ? "" : this.jobs.length ? "No job fits the filter." : "No job yet.";
    this.empty.hidden = list.length > 0;
  }

  private row(j: Job): HTMLElement {
    const again = async (f: (j: Job) => Promise<boolean>) => {
      if (await f(j)) void this.load();
    };
    const button = (text: string, name: string, f: () => void) => h("button", { type: "button", class: "small", "data-action": name, "aria-label": `${text} job ${j.id.slice(-8)} of ${j.dem_filename}`, onclick: f }, text);
    return h(
      "tr",
      { "data-job": j.id },
      h("td", { "data-title": "DEM" }, h("a", { class: "name", href: `/monitor#${j.id}`, "data-view": "job", "data-action": "open" }, j.dem_filename), h("code", { class: "id", title: j.id }, j.id.slice(-8))),
      h("td", { "data-title": "Workflow" }, j.workflow_type),
      h("td", { "data-title": "State" }, badge(j), h("span", { class: "hint" }, j.status === "failed" && j.error_message && state(j) !== "cancelled" ? j.error_message : countdown(j, this.keep))),
      h("td", { "data-title": "Progress" }, progressBar(j), ` ${j.progress} %`),
      h("td", { "data-title": "Submitted" }, h("time", { dateTime: j.created_at, title: j.created_at }, ago(j.created_at, Date.now()))),
      h(
        "td",
        { class: "actions", "data-title": "" },
        j.status === "completed" && !j.data_expired_at ? h("a", { class: "button small", "data-action": "zip", href: `/api/jobs/${j.id}/results`, download: "", "aria-label": `ZIP of job ${j.id.slice(-8)} of ${j.dem_filename}` }, "ZIP") : null,
        h("a", { class: "button small", "data-action": "again", href: `/?from=${j.id}`, "data-view": "new", "aria-label": `Run again job ${j.id.slice(-8)} of ${j.dem_filename}` }, "Run again"),
        ended(j) ? button("Delete", "delete", () => void again(remove)) : button("Cancel", "cancel", () => void again(cancel)),
      ),
    );
  }

  /** What the next cleanup would remove, without removing it. */
  private showClean() {
    const said = h("p", { class: "hint", role: "status" });
    const look = async () => {
      const form = new FormData();
      try {
        const { body } = await post<{ stats: { successful_cleaned: number; failed_deleted: number; space_freed_mb: number } }>("/api/cleanup?dry_run=true", form).done;
        const s = body.stats;
        said.textContent = s.successful_cleaned + s.failed_deleted === 0 ? "Nothing is old enough yet." : `It would delete the maps of ${s.successful_cleaned} completed jobs and ${s.failed_deleted} failed or cancelled jobs: ${bytes(s.space_freed_mb * 1e6)}.`;
      } catch (e) {
        said.textContent = (e as Error).message;
      }
    };
    this.clean.hidden = false;
    fill(this.clean, h("h2", {}, "Cleanup"), h("p", {}, `Maps of completed jobs are kept for ${this.keep.days} days, failed and cancelled jobs for ${this.keep.hours} hours.`), h("button", { type: "button", onclick: () => void look() }, "What would be removed now?"), said);
  }
}
