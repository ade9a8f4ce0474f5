import { beforeEach, describe, expect, it, vi } from "vitest";

const ID = "01JTEST0000000000000000001";
const OTHER = "01JTEST0000000000000000002";

/** What was asked of the service, and where the address bar went. */
let asked: { path: string; headers: Record<string, string> }[];
let bar: string[];
let kept: Map<string, string>;

/** The page at an address of a service that answers GET /auth so. */
async function at(address: string, auth: object) {
  vi.resetModules();
  asked = [];
  bar = [];
  kept = new Map();
  vi.stubGlobal("location", new URL(address, "https://eemt.example.org"));
  vi.stubGlobal("window", { isSecureContext: true, setTimeout });
  vi.stubGlobal("history", { replaceState: (_: unknown, __: string, to: string) => bar.push(to) });
  vi.stubGlobal("sessionStorage", { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => kept.set(k, v), removeItem: (k: string) => kept.delete(k) });
  vi.stubGlobal("fetch", async (path: string | URL, init: RequestInit = {}) => {
    asked.push({ path: String(path), headers: init.headers as Record<string, string> });
    return new Response(JSON.stringify(path === "/auth" ? auth : {}), { status: 200 });
  });
  const login = await import("../src/login");
  const tickets = await import("../src/tickets");
  expect(await login.begin()).toBe(true);
  return { ...login, ...tickets };
}

beforeEach(() => vi.unstubAllGlobals());

const oidc = { mode: "oidc", issuer: "https://id.example.org", client_id: "eemt", scopes: "openid profile", role: "nobody" };

describe("a service without logins", () => {
  it.each(["none", "token"])("mode %s: all is offered, nothing is asked for, addresses stay", async (mode) => {
    const p = await at("/", { mode, role: mode === "none" ? "operator" : "nobody" });
    expect([p.strange(), p.named(), p.may("operator"), p.may("user")]).toEqual([false, false, true, true]);
    expect(await p.ticketOf(ID)).toBe("");
    await p.request(`/jobs/${ID}/results/`);
    expect(asked.map((a) => a.path)).toEqual(["/auth", `/jobs/${ID}/results/`]);
    expect(asked[1].headers).toEqual({});
    expect(bar).toEqual([]);
  });
  it("a service that does not answer is shown as ever", async () => {
    const p = await at("/", {});
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no")));
    expect(await p.begin()).toBe(true);
  });
  it("a proxy says who it is", async () => {
    const p = await at("/", { mode: "proxy", owner: "anna", role: "viewer" });
    expect([p.strange(), p.named(), p.may("viewer"), p.may("user"), p.ownName()]).toEqual([false, true, true, false, "anna"]);
    expect(await p.ticketOf(ID)).toBe("");
  });
});

describe("a service with logins", () => {
  it("waits for one", async () => {
    const p = await at("/", oidc);
    expect([p.strange(), p.may("viewer"), p.loginProblem()]).toEqual([true, false, ""]);
    expect(asked.map((a) => a.path)).toEqual(["/auth"]);
  });
  it("an answer that nobody waits for is refused, and leaves the address", async () => {
    const p = await at("/?code=stolen&state=unknown", oidc);
    expect([p.strange(), bar]).toEqual([true, ["/"]]);
    expect(p.loginProblem()).toMatch(/did not begin here/);
    expect(asked.map((a) => a.path)).toEqual(["/auth"]);
  });
  it("asks for a code with a challenge, a state and a nonce that are new each time", async () => {
    const p = await at("/monitor#" + ID, oidc);
    const as = { issuer: oidc.issuer, authorization_endpoint: "https://id.example.org/auth?tenant=7" };
    const [a, b] = [await p.authorization(as, "", true), await p.authorization(as, "", false)];
    const q = a.url.searchParams;
    expect([q.get("tenant"), q.get("response_type"), q.get("client_id"), q.get("scope"), q.get("redirect_uri"), q.get("prompt")]).toEqual(["7", "code", "eemt", "openid profile", "https://eemt.example.org/", "none"]);
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(a.pending.verifier)));
    expect([q.get("code_challenge_method"), q.get("code_challenge")]).toEqual(["S256", btoa(String.fromCharCode(...sum)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")]);
    expect([q.get("state"), q.get("nonce"), a.pending.back]).toEqual([a.pending.state, a.pending.nonce, `/monitor#${ID}`]);
    expect(b.url.searchParams.has("prompt")).toBe(false);
    for (const k of ["state", "nonce", "verifier"] as const) {
      expect(a.pending[k]).not.toBe(b.pending[k]);
      expect(a.pending[k].length).toBeGreaterThan(40);
    }
  });
});

describe("links", () => {
  it.each([`/monitor#${ID}&ticket=s.X.Y`, `/monitor?ticket=s.X.Y#${ID}`])("%s opens one job, and leaves the address", async (address) => {
    const p = await at(address, oidc);
    expect(bar).toEqual([`/monitor#${ID}`]);
    expect([p.linked(ID), p.linked(OTHER), await p.ticketOf(ID), await p.ticketOf(OTHER)]).toEqual(["s.X.Y", "", "s.X.Y", ""]);
    for (const path of [`/api/jobs/${ID}`, `/jobs/${ID}/results/a.tif?x=1`, `/jobs/${OTHER}`, "/api/jobs?limit=5"]) await p.request(path);
    expect(asked.slice(1).map((a) => a.path)).toEqual([`/api/jobs/${ID}?ticket=s.X.Y`, `/jobs/${ID}/results/a.tif?x=1&ticket=s.X.Y`, `/jobs/${OTHER}`, "/api/jobs?limit=5"]);
    expect([...kept.values()].join()).not.toContain("s.X.Y");
  });
  it("an address without a ticket, or without a job, is none", async () => {
    const { linkOf } = await at("/", oidc);
    expect([linkOf("", `#${ID}`), linkOf("?ticket=x", ""), linkOf("?ticket=x", "#main"), linkOf("", `#${ID}&ticket=`)]).toEqual([null, null, null, null]);
  });
  it("a new ticket takes the place of the old one", async () => {
    const { replaceTicket, withTicket } = await at("/", oidc);
    const a = { href: withTicket("/jobs/x?f=json", "t.1.a"), getAttribute: () => a.href, setAttribute: (_: string, v: string) => (a.href = v) };
    const pre = { textContent: "curl '/a?ticket=t.1.a'\ncurl '/b?ticket=t.1.a'" };
    replaceTicket({ querySelectorAll: (s: string) => (s === "pre" ? [pre] : [a]) } as unknown as Element, "t.1.a", "t.2.b");
    expect([a.href, pre.textContent]).toEqual(["/jobs/x?f=json&ticket=t.2.b", "curl '/a?ticket=t.2.b'\ncurl '/b?ticket=t.2.b'"]);
  });
});
