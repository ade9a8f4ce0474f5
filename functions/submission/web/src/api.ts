// What the page asks of the service.
import type { Finding } from "./findings";
import { credentials, may, renewed, request, tokenNow, withTicket } from "./login";
import { ticketOf } from "./tickets";

export interface Job {
  id: string;
  workflow_type: string;
  status: "pending" | "running" | "completed" | "failed";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  parameters: Record<string, unknown>;
  dem_filename: string;
  uploaded_filename?: string | null;
  error_message: string | null;
  /** What was noticed about the inputs, once the job is planned or refused. */
  findings?: Finding[];
  progress: number;
  tasks_done?: number;
  tasks_planned?: number;
  data_expired_at?: string | null;
  /** When retention takes it; null while it goes on, if it is pinned, and where nobody cleans up. */
  expires_at?: string | null;
  pinned?: boolean;
  current_task?: string;
  message?: string;
  estimated_completion?: string | null;
}

/** A refusal, in the service's own words. */
export class Refusal extends Error {
  constructor(
    public status: number,
    message: string,
    /** The answer as it came. */
    public body = "",
  ) {
    super(message);
  }
}

/** Whether a job is the caller's own, or all jobs are. The list has no others. */
export async function owned(id: string): Promise<boolean> {
  return may("operator") || (may("user") && (await ask<Job[]>(`/api/jobs?limit=1&q=${id}`)).length > 0);
}

const offline = "the server does not answer; it may be stopped, or the network down";

export function sentence(status: number, body: string): string {
  try {
    const j = JSON.parse(body);
    if (typeof j.detail === "string" && j.detail) return j.detail;
  } catch {
    // not JSON
  }
  if (status === 413) return "the file is larger than the server takes";
  return `the server answered ${status}`;
}

export async function ask<T>(path: string, init: RequestInit = {}, seen?: (r: Response) => void): Promise<T> {
  let r: Response;
  try {
    r = await request(path, { ...init, headers: { Accept: "application/json", ...(init.headers ?? {}) } });
  } catch {
    throw new Refusal(0, offline);
  }
  if (!r.ok) throw new Refusal(r.status, sentence(r.status, await r.text()));
  seen?.(r);
  return (r.status === 204 ? undefined : await r.json()) as T;
}

export interface Sent {
  loaded: number;
  total: number;
}

export interface Sending<T> {
  done: Promise<{ status: number; body: T }>;
  abort: () => void;
}

/** Posts a form and tells how much of it has gone. */
export function post<T>(path: string, form: FormData, progress?: (s: Sent) => void): Sending<T> {
  let x = new XMLHttpRequest();
  let stopped = false;
  const send = (resolve: (r: { status: number; body: T }) => void, reject: (e: Refusal) => void, again: boolean) => {
    const used = tokenNow();
    x.open("POST", path);
    for (const [name, v] of Object.entries(credentials())) x.setRequestHeader(name, v);
    x.setRequestHeader("Accept", "application/json");
    if (progress) x.upload.onprogress = (e) => progress({ loaded: e.loaded, total: e.total });
    x.onload = async () => {
      if (x.status === 401 && !again && (await renewed(used)) && !stopped) {
        x = new XMLHttpRequest();
        send(resolve, reject, true);
      } else if (x.status >= 200 && x.status < 300) {
        try {
          resolve({ status: x.status, body: JSON.parse(x.responseText) });
        } catch {
          reject(new Refusal(x.status, "the server's answer is no JSON"));
        }
      } else reject(new Refusal(x.status, sentence(x.status, x.responseText), x.responseText));
    };
    x.onerror = () => reject(new Refusal(0, offline));
    x.onabort = () => reject(new Refusal(-1, "stopped"));
    x.send(form);
  };
  const abort = () => {
    stopped = true;
    x.abort();
  };
  return { done: new Promise((resolve, reject) => send(resolve, reject, false)), abort };
}

export const ended = (j: Job) => j.status === "completed" || j.status === "failed";
export const cancelled = (j: Job) => j.status === "failed" && j.error_message === "Job cancelled by user";
export const state = (j: Job) => (cancelled(j) ? "cancelled" : j.data_expired_at ? "expired" : j.status);

/** Parameters that take a word in place of values: name, where a record holds that the word was given, word. */
export const WORDS = [
  ["linke_value", "linke_climatology", "climatology"],
  ["kc", "kc_climate", "climate"],
];

/** How long jobs are kept, days and hours; what the service says, else the usual. */
export interface Keep {
  days: number;
  hours: number;
  cleaning: boolean;
}

let keep: Promise<Keep> | null = null;
export function retention(): Promise<Keep> {
  // Only operators clean up.
  if (!may("operator")) return Promise.resolve({ days: 7, hours: 12, cleaning: false });
  keep ??= ask<{ retention_settings: { success_retention_days: number; failed_retention_hours: number } | null; auto_cleanup_enabled: boolean }>("/api/cleanup/status").then(
    (s) => ({ days: s.retention_settings?.success_retention_days ?? 7, hours: s.retention_settings?.failed_retention_hours ?? 12, cleaning: s.auto_cleanup_enabled }),
    () => ({ days: 7, hours: 12, cleaning: false }),
  );
  return keep;
}

/** A page of jobs, and where the next begins; null at the end. */
export async function jobsPage(path: string): Promise<{ jobs: Job[]; next: string | null }> {
  let next: string | null = null;
  const jobs = await ask<Job[]>(path, {}, (r) => {
    next = /^<([^>]+)>; rel="next"/.exec(r.headers.get("Link") ?? "")?.[1] ?? null;
  });
  return { jobs, next };
}

/** How long a broken stream may take to come back before the page says so. A stream is ended by the service now and then. */
const PATIENCE = 4000;

/** Follows a job: by events, or by asking where events do not come. Tells when the server is away, and when it is there again. Returns what stops it. */
export function follow(id: string, heard: (j: Job) => void, gone: () => void, away: (lost: boolean) => void = () => {}): () => void {
  let stopped = false;
  let lost = 0;
  const silent = (wait: number) => {
    if (!stopped) lost ||= window.setTimeout(() => away(true), wait);
  };
  const there = () => {
    if (!lost) return;
    clearTimeout(lost);
    lost = 0;
    away(false);
  };
  const news = (j: Job) => {
    there();
    heard(j);
  };
  let source: EventSource | null = null;
  let timer = 0;
  let failures = 0;
  const poll = async () => {
    if (stopped) return;
    try {
      const j = await ask<Job>(`/api/jobs/${id}`);
      if (stopped) return;
      failures = 0;
      news(j);
      if (ended(j)) return;
    } catch (e) {
      if (stopped) return;
      if ((e as Refusal).status === 404) return gone();
      failures++;
      silent(0);
    }
    timer = window.setTimeout(poll, Math.min(2000 * 2 ** failures, 30000));
  };
  let asking = false;
  const listen = async () => {
    if (asking) return;
    asking = true;
    const ticket = await ticketOf(id);
    asking = false;
    if (stopped || document.hidden || source) return;
    source = new EventSource(withTicket(`/jobs/${id}/events`, ticket));
    source.addEventListener("status", (e) => news(JSON.parse((e as MessageEvent).data)));
    source.addEventListener("end", stop);
    source.addEventListener("gone", () => {
      stop();
      gone();
    });
    source.onopen = there;
    source.onerror = () => {
      silent(PATIENCE);
      // A stream that ended is opened again by the browser; one that was refused is not.
      if (source && source.readyState === EventSource.CLOSED && !stopped) {
        source = null;
        poll();
      }
    };
  };
  // A browser opens six connections to a server: hidden pages must not hold them.
  const seen = () => {
    if (document.hidden) {
      source?.close();
      source = null;
      clearTimeout(timer);
    } else if (!source) void listen();
  };
  const stop = () => {
    stopped = true;
    source?.close();
    clearTimeout(timer);
    clearTimeout(lost);
    document.removeEventListener("visibilitychange", seen);
  };
  document.addEventListener("visibilitychange", seen);
  if (typeof EventSource === "undefined") poll();
  else void listen();
  return stop;
}
