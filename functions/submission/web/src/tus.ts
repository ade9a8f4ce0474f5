// Brings a file by the tus protocol 1.0: in pieces, and from where a broken connection left off.
import { Refusal, sentence, Sent } from "./api";
import { credentials, renewed, request as fetched, tokenNow } from "./login";

/** What one request carries: far below what proxies cut, and all that a new start costs. */
export const PIECE = 16 << 20;
/** A request that brings nothing for so long, in ms, counts as broken. */
const STALL = 30e3;
const LONGEST = 30e3;
const KEPT = "eemt-uploads";

export interface Upload {
  /** The name that the service gave the file. */
  done: Promise<string>;
  pause(): void;
  resume(): void;
  /** Gives the upload up, on the service too. */
  stop(): void;
}

/** How an upload stands; why says what it waits for. */
export type Standing = "sending" | "waiting" | "paused";

/** Where half-sent files are, so that the same file goes on after a reload. */
class Kept {
  private all(): Record<string, { path: string; at: number }> {
    try {
      return JSON.parse(localStorage.getItem(KEPT) ?? "{}");
    } catch {
      return {};
    }
  }
  private write(all: Record<string, { path: string; at: number }>) {
    try {
      localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(Object.entries(all).sort((a, b) => b[1].at - a[1].at).slice(0, 8))));
    } catch {
      // Then a reload begins anew.
    }
  }
  path(key: string): string | undefined {
    return this.all()[key]?.path;
  }
  set(key: string, path: string | null) {
    const { [key]: _, ...rest } = this.all();
    this.write(path ? { ...rest, [key]: { path, at: Date.now() } } : rest);
  }
}

/** The pause before the n-th try, in ms. */
export const backoff = (n: number) => Math.min(1000 * 2 ** n, LONGEST);

/** Text in base64, whatever letters it has. */
const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

export function bring(file: File, progress: (s: Sent) => void, stands: (s: Standing, wait: number) => void): Upload {
  const key = `${file.name}/${file.size}/${file.lastModified}`;
  const kept = new Kept();
  let path = kept.path(key);
  let paused = false;
  let over = false;
  let running: XMLHttpRequest | null = null;
  let wake = () => {};

  const request = (method: string, to: string, headers: Record<string, string>, body: Blob | null = null, sent?: (loaded: number) => void) =>
    new Promise<XMLHttpRequest>((resolve) => {
      const x = new XMLHttpRequest();
      running = x;
      let timer = 0;
      const alive = () => {
        clearTimeout(timer);
        timer = window.setTimeout(() => x.abort(), STALL);
      };
      x.open(method, to);
      x.setRequestHeader("Tus-Resumable", "1.0.0");
      for (const [name, v] of Object.entries({ ...headers, ...credentials() })) x.setRequestHeader(name, v);
      x.upload.onprogress = (e) => {
        alive();
        sent?.(e.loaded);
      };
      // The service may take its time to put the parts together.
      x.upload.onload = () => clearTimeout(timer);
      x.onloadend = () => {
        clearTimeout(timer);
        running = null;
        resolve(x);
      };
      if (body) alive();
      x.send(body);
    });

  const refusal = (x: XMLHttpRequest) => new Refusal(x.status, /^ERR_[A-Z_]+: (.+)/.exec(x.responseText)?.[1] ?? sentence(x.status, x.responseText));
  const passing = (x: XMLHttpRequest) => x.status === 0 || x.status >= 500 || [408, 409, 423, 429, 460].includes(x.status);

  const work = async (): Promise<string> => {
    let offset = path ? -1 : 0; // -1: ask
    let fails = 0;
    let anew = false;
    for (;;) {
      if (over) throw new Refusal(-1, "stopped");
      if (paused) {
        stands("paused", 0);
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (fails > 0) {
        const wait = backoff(fails - 1);
        stands("waiting", wait);
        await new Promise<void>((resolve) => {
          const timer = window.setTimeout(resolve, wait);
          window.addEventListener("online", () => resolve(), { once: true });
          wake = () => (clearTimeout(timer), resolve());
        });
        if (over || paused) continue;
      }
      stands("sending", 0);
      const used = tokenNow();
      let x: XMLHttpRequest;
      if (!path) {
        x = await request("POST", "/uploads", { "Upload-Length": String(file.size), "Upload-Metadata": `filename ${base64(file.name)}` });
        const at = x.status === 201 ? x.getResponseHeader("Location") : null;
        // Only the path: a proxy may have another host and scheme than it tells the service.
        if (at) kept.set(key, (path = new URL(at, location.href).pathname));
      } else if (offset < 0) {
        x = await request("HEAD", path, {});
        if (x.status === 200) offset = Number(x.getResponseHeader("Upload-Offset"));
      } else {
        const from = offset;
        x = await request("PATCH", path, { "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" }, file.slice(from, from + PIECE), (n) => progress({ loaded: from + n, total: file.size }));
        offset = x.status === 204 ? Number(x.getResponseHeader("Upload-Offset")) : -1;
      }
      if (x.status >= 200 && x.status < 300) {
        fails = 0;
        if (offset >= 0) progress({ loaded: offset, total: file.size });
        if (path && offset === file.size) {
          kept.set(key, null);
          return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1));
        }
        continue;
      }
      if (over || paused) continue;
      if (x.status === 401 && (await renewed(used))) continue;
      if ((x.status === 404 || x.status === 410) && path && !anew) {
        // It was kept for a day, or given up elsewhere.
        anew = true;
        kept.set(key, null);
        path = undefined;
        offset = 0;
      } else if (passing(x)) fails++;
      else {
        kept.set(key, null);
        throw refusal(x);
      }
    }
  };

  const interrupt = () => {
    running?.abort();
    wake();
  };
  return {
    done: work(),
    pause: () => {
      paused = true;
      interrupt();
    },
    resume: () => {
      paused = false;
      wake();
    },
    stop: () => {
      over = true;
      interrupt();
      kept.set(key, null);
      if (path) void fetched(path, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {});
    },
  };
}
