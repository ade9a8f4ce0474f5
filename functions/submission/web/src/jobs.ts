// The list of jobs.
import { ask, ended, Job, jobsPage, Keep, retention, Refusal, state } from "./api";
import { confirmed, fill, h, note } from "./dom";
import { ago, bytes, duration } from "./format";
import { may } from "./login";
import { ticketed } from "./tickets";

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
  if (!(await confirmed("Cancel this job?", `${j.workflow_type} of ${j.dem_filename}, ${j.progress} % done. Its results so far are lost.`, "Cancel the job"))) return false;
  return act(() => ask(`/api/jobs/${j.id}/cancel`, { method: "POST" }), "The job is cancelled");
}

export async function remove(j: Job): Promise<boolean> {
  if (!(await confirmed("Delete this job?", `${j.workflow_type} of ${j.dem_filename}, with all of its maps${j.pinned ? ", although it is kept" : ""}. This cannot be undone.`, "Delete it"))) return false;
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

export function countdown(j: Job): string {
  if (j.data_expired_at) return "maps deleted";
  if (j.pinned) return "kept until it is unpinned";
  if (!j.expires_at) return "";
  const left = (Date.parse(j.expires_at) - Date.now()) / 1000;
  return left > 0 ? `kept for ${duration(left)}` : "removed at the next cleanup";
}

/** Pins a job, or lets it go again. */
export async function pin(j: Job): Promise<boolean> {
  const at = `/jobs/${j.id}/keep`;
  return j.pinned
    ? act(() => ask(at, { method: "DELETE" }), "The job is unpinned")
    : act(() => ask(at, { method: "PUT", headers: { "Content-Type": "application/json" }, body: '{"pinned":true}' }), "The job is pinned: no cleanup removes it");
}

export function pinButton(j: Job, then: () => void): HTMLElement | null {
  if (j.data_expired_at || !may("user")) return null;
  const press = async () => (await pin(j)) && then();
  return h("button", { type: "button", class: "small pin", "data-action": "pin", "aria-pressed": String(!!j.pinned), "aria-label": `Keep job ${j.id.slice(-8)} of ${j.dem_filename}`, title: j.pinned ? "Unpin the job" : "Pin the job, so that no cleanup removes it", onclick: () => void press() }, j.pinned ? "Kept" : "Keep");
}

const PAGE = 50;
/** Requests of one search before it asks whether to go on; each looks at 500 jobs. */
const REACH = 4;

export class Jobs {
  readonly element = h("div", { class: "stack" });
  private jobs: Job[] = [];
  /** Where older jobs begin; null when all are loaded. */
  private next: string | null = null;
  private state = h("select", { id: "f-state", onchange: () => this.anew() }, ["any", "pending", "running", "completed", "failed", "cancelled"].map((v) => h("option", { value: v }, v)));
  private kind = h("select", { id: "f-kind", onchange: () => this.anew() }, ["any", "sol", "eemt"].map((v) => h("option", { value: v }, v)));
  private text = h("input", { id: "f-text", type: "search", placeholder: "DEM, climate or job id", maxLength: 100, oninput: () => this.typed() });
  private body = h("tbody");
  private counts = h("div", { class: "counts" });
  private more = h("button", { type: "button", id: "older", hidden: true, onclick: () => void this.older() }, "Show older jobs");
  private stamp = h("span", { class: "hint", "aria-live": "off" });
  private auto = h("input", { type: "checkbox", id: "f-auto", checked: true, "aria-label": "Auto-refresh", onchange: () => this.auto.checked && void this.load() });
  private empty = h("p", { class: "hint", role: "status" });
  private clean = h("section", { class: "card", hidden: true });
  private timer = 0;
  private typing = 0;
  private keep: Keep = { days: 7, hours: 12, cleaning: false };
  private closed = false;
  /** The number of the newest question, so that late answers are dropped. */
  private no = 0;
  private busy = false;
  /** Nothing was asked yet with this filter. */
  private fresh = true;

  constructor() {
    fill(
      this.element,
      h("div", { class: "titled" }, h("h1", {}, "Jobs"), this.stamp, h("button", { type: "button", onclick: () => void this.load() }, "Refresh"), h("label", { class: "tick hint" }, this.auto, " Auto-refresh"), may("user") ? h("a", { class: "button primary", href: "/", "data-view": "new" }, "New job") : null),
      this.counts,
      h("div", { class: "filters", role: "search" }, h("span", { class: "tool grow" }, h("label", { for: "f-text" }, "Search"), this.text), h("span", { class: "tool" }, h("label", { for: "f-state" }, "State"), this.state), h("span", { class: "tool" }, h("label", { for: "f-kind" }, "Workflow"), this.kind)),
      h("div", { class: "card flush" }, h("table", { class: "jobs" }, h("thead", {}, h("tr", {}, ["DEM", "Workflow", "State", "Progress", "Submitted", "Actions"].map((t) => h("th", { scope: "col" }, t)))), this.body), this.empty),
      this.more,
      this.clean,
    );
    void retention().then((k) => {
      this.keep = k;
      if (k.cleaning) this.showClean();
    });
    void this.load();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.typing);
  }

  private path(): string {
    const q = new URLSearchParams({ limit: String(PAGE) });
    if (this.state.value !== "any") q.set("status", this.state.value);
    if (this.kind.value !== "any") q.set("workflow_type", this.kind.value);
    if (this.text.value.trim()) q.set("q", this.text.value.trim());
    return `/api/jobs?${q}`;
  }

  private wanted(j: Job): boolean {
    const want = this.state.value;
    return want === "any" || j.status === want || state(j) === want;
  }

  private typed() {
    clearTimeout(this.typing);
    this.typing = window.setTimeout(() => this.anew(), 250);
  }

  /** The filter is another: what is loaded says nothing any more. */
  private anew() {
    this.jobs = [];
    this.next = null;
    this.fresh = true;
    void this.load();
  }

  /** From a place on, as far as it takes to fill a page, by so many requests at most. */
  private async find(from: string, reach: number): Promise<{ jobs: Job[]; next: string | null }> {
    const jobs: Job[] = [];
    let next: string | null = from;
    for (let i = 0; next && i < reach && jobs.length < PAGE; i++) {
      const page: { jobs: Job[]; next: string | null } = await jobsPage(next);
      jobs.push(...page.jobs);
      next = page.next;
    }
    return { jobs, next };
  }

  /** The newest jobs anew; older ones that are loaded stay, those that go on are asked for. */
  private async load() {
    clearTimeout(this.timer);
    const no = ++this.no;
    try {
      const { jobs, next } = await this.find(this.path(), this.fresh ? REACH : 1);
      const seen = new Set(jobs.map((j) => j.id));
      const last = jobs.at(-1)?.created_at;
      const older = next === null ? [] : this.jobs.filter((j) => !seen.has(j.id) && (last === undefined || j.created_at <= last));
      const moving = await Promise.all(older.map((j) => (ended(j) ? j : ask<Job>(`/api/jobs/${j.id}`).catch((e: Refusal) => (e.status === 404 ? null : j)))));
      if (this.closed || no !== this.no) return;
      // What is loaded reaches as far as before; only a new question starts over.
      if (this.fresh || next === null) this.next = next;
      this.fresh = false;
      this.jobs = [...jobs, ...moving.filter((j): j is Job => j !== null && this.wanted(j))];
      this.stamp.textContent = `as of ${new Date().toLocaleTimeString()}`;
      this.show();
    } catch (e) {
      if (no === this.no) this.stamp.textContent = (e as Refusal).message;
    }
    if (this.closed || no !== this.no || !this.auto.checked) return;
    const soon = this.jobs.some((j) => !ended(j)) ? 3000 : 15000;
    this.timer = window.setTimeout(() => (!this.auto.checked ? undefined : document.hidden ? this.wait() : void this.load()), soon);
  }

  /** A job is another after what was done with it, or gone. */
  private async changed(j: Job) {
    const now = await ask<Job>(`/api/jobs/${j.id}`).catch((e: Refusal) => (e.status === 404 ? null : j));
    this.jobs = this.jobs.flatMap((o) => (o.id !== j.id ? [o] : now ? [now] : []));
    this.show();
    void this.load();
  }

  private async older() {
    if (!this.next || this.busy) return;
    this.busy = this.more.disabled = true;
    const no = ++this.no;
    clearTimeout(this.timer);
    try {
      const { jobs, next } = await this.find(this.next, REACH);
      if (this.closed || no !== this.no) return;
      const seen = new Set(this.jobs.map((j) => j.id));
      this.jobs.push(...jobs.filter((j) => !seen.has(j.id)));
      this.next = next;
      this.show();
    } catch (e) {
      note((e as Error).message, "bad");
    } finally {
      this.busy = this.more.disabled = false;
      if (!this.closed && no === this.no && this.auto.checked) this.timer = window.setTimeout(() => void this.load(), 3000);
    }
  }

  private wait() {
    const seen = () => {
      document.removeEventListener("visibilitychange", seen);
      if (!this.closed) void this.load();
    };
    document.addEventListener("visibilitychange", seen);
  }

  private show() {
    const list = this.jobs;
    const filtered = this.path() !== `/api/jobs?limit=${PAGE}`;
    const count = (s: string) => list.filter((j) => j.status === s).length;
    fill(this.counts, ["pending", "running", "completed", "failed"].map((s) => h("div", { class: `count ${s}` }, h("strong", {}, count(s)), h("span", {}, s === "failed" ? "failed or cancelled" : s))));
    this.more.hidden = this.next === null;
    this.more.textContent = filtered ? "Search older jobs" : "Show older jobs";
    // A row that is in use must not be pulled away by news.
    const focus = document.activeElement?.closest("tr")?.dataset.job;
    const which = (document.activeElement as HTMLElement | null)?.dataset.action;
    fill(this.body, list.map((j) => this.row(j)));
    if (focus && which) this.body.querySelector<HTMLElement>(`tr[data-job="${focus}"] [data-action="${which}"]`)?.focus();
    this.empty.textContent = list.length ? "" : this.next ? "No job found yet; older ones are not searched yet." : filtered ? "No job matches the filter." : "No job yet.";
    this.empty.hidden = list.length > 0;
  }

  private row(j: Job): HTMLElement {
    const again = async (f: (j: Job) => Promise<boolean>) => {
      if (await f(j)) void this.changed(j);
    };
    const button = (text: string, name: string, f: () => void) => h("button", { type: "button", class: "small", "data-action": name, "aria-label": `${text} job ${j.id.slice(-8)} of ${j.dem_filename}`, onclick: f }, text);
    return h(
      "tr",
      { "data-job": j.id },
      h("td", { "data-title": "DEM" }, h("a", { class: "name", href: `/monitor#${j.id}`, "data-view": "job", "data-action": "open" }, j.dem_filename), h("code", { class: "id", title: j.id }, j.id.slice(-8))),
      h("td", { "data-title": "Workflow" }, j.workflow_type),
      h("td", { "data-title": "State" }, badge(j), h("span", { class: "hint" }, j.status === "failed" && j.error_message && state(j) !== "cancelled" ? j.error_message : countdown(j))),
      h("td", { "data-title": "Progress" }, progressBar(j), ` ${j.progress} %`),
      h("td", { "data-title": "Submitted" }, h("time", { dateTime: j.created_at, title: j.created_at }, ago(j.created_at, Date.now()))),
      h(
        "td",
        { class: "actions", "data-title": "" },
        j.status === "completed" && !j.data_expired_at ? ticketed(h("a", { class: "button small", "data-action": "zip", href: `/api/jobs/${j.id}/results`, download: "", "aria-label": `ZIP of job ${j.id.slice(-8)} of ${j.dem_filename}` }, "ZIP"), j.id) : null,
        !may("user") ? null : h("a", { class: "button small", "data-action": "again", href: `/?from=${j.id}`, "data-view": "new", "aria-label": `Run again job ${j.id.slice(-8)} of ${j.dem_filename}` }, "Run again"),
        pinButton(j, () => void this.changed(j)),
        !may("user") ? null : ended(j) ? button("Delete", "delete", () => void again(remove)) : button("Cancel", "cancel", () => void again(cancel)),
      ),
    );
  }

  /** What the next cleanup would remove, without removing it. */
  private showClean() {
    const said = h("p", { class: "hint", role: "status" });
    const look = async () => {
      said.textContent = "Looking ...";
      try {
        const { stats: s } = await ask<{ stats: { successful_cleaned: number; failed_deleted: number; space_freed_mb: number } }>("/api/cleanup", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"dry_run":true}' });
        said.textContent = s.successful_cleaned + s.failed_deleted === 0 ? "Nothing is old enough yet." : `It would delete the maps of ${s.successful_cleaned} completed jobs and ${s.failed_deleted} failed or cancelled jobs: ${bytes(s.space_freed_mb * 1e6)}.`;
      } catch (e) {
        said.textContent = (e as Error).message;
      }
    };
    this.clean.hidden = false;
    fill(this.clean, h("h2", {}, "Cleanup"), h("p", {}, `Maps of completed jobs are kept for ${this.keep.days} days, failed and cancelled jobs for ${this.keep.hours} hours. Pinned jobs are not removed.`), h("button", { type: "button", id: "clean-look", onclick: () => void look() }, "What would be removed now?"), said);
  }
}
