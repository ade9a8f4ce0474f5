// Who uses the page, and what its requests carry to say so. The access token is in memory only.
import * as oauth from "oauth4webapi";

/** What GET /auth says. */
export interface Who {
  mode: "none" | "token" | "proxy" | "oidc";
  issuer?: string;
  client_id?: string;
  scopes?: string;
  owner?: string;
  groups?: string[];
  role: Role;
}

const ROLES = ["nobody", "viewer", "user", "operator"] as const;
export type Role = (typeof ROLES)[number];

/** What an authorization request leaves behind until its answer comes. */
interface Pending {
  state: string;
  /** Empty where no ID token is asked for. */
  nonce: string;
  verifier: string;
  /** The address to come back to. */
  back: string;
}

const PENDING = "eemt-login";
/** Says that this tab was logged in, so that a reload asks the provider once without a question. It is no secret. */
const BEFORE = "eemt-logged-in";
const CHANNEL = "eemt-login";
/** Marks the state of a login in a window of its own. */
const WINDOW = "window.";
/** A token that is refused sooner than this, in ms, is not replaced by a redirect: it would be refused again. */
const SOONEST = 60e3;

let who: Who = { mode: "none", role: "operator" };
let token = "";
let refreshToken = "";
let idToken = "";
let name = "";
let since = 0;
let timer = 0;
/** Why the last login failed; empty if it did not. */
let problem = "";
/** The link by which a job is read without a login. */
let link: { id: string; text: string } | null = null;
let lapsed: (again: () => Promise<void>) => Promise<void> = () => new Promise(() => {});
let mayLeave = () => false;

export const caller = () => who;
export const ownName = () => name || who.owner || "";
export const loginProblem = () => problem;
/** Whether a login is needed before anything is shown. */
export const strange = () => who.mode === "oidc" && token === "";
/** Whether people have names here, so that a job may be shared with others. */
export const named = () => (who.mode === "oidc" && token !== "") || (who.mode === "proxy" && !!who.owner);
/** Whether tickets are needed for what the browser opens by itself. */
export const bearing = () => token !== "";
/** Whether the caller's role is at least this. Where nobody has a role everything is offered. */
export const may = (least: Role) => who.mode === "none" || who.mode === "token" || ROLES.indexOf(who.role) >= ROLES.indexOf(least);
/** The text of the link by which a job was opened; empty if it was not. */
export const linked = (id: string) => (link?.id === id ? link.text : "");

/** What to do when a token has expired and no other can be had without a question; and whether leaving the page loses nothing. */
export function whenLapsed(f: typeof lapsed, leave: typeof mayLeave) {
  lapsed = f;
  mayLeave = leave;
}

/** An address with a ticket. */
export const withTicket = (url: string, ticket: string) => (ticket ? `${url}${url.includes("?") ? "&" : "?"}ticket=${encodeURIComponent(ticket)}` : url);

/** The job and the ticket of an address that lets a stranger read a job: #ID&ticket=TEXT, or ?ticket=TEXT#ID. */
export function linkOf(search: string, hash: string): { id: string; text: string } | null {
  const m = /^#([0-9A-Z]{26})(?:&(.*))?$/.exec(hash);
  const text = new URLSearchParams(m?.[2] ?? "").get("ticket") ?? new URLSearchParams(search).get("ticket");
  return m && text ? { id: m[1], text } : null;
}

export const credentials = (): Record<string, string> => (token ? { Authorization: `Bearer ${token}` } : {});

/** The address of a request; without a token that of the linked job has the link's text. */
function addressed(path: string): string {
  return link && !token && new RegExp(`^(/api)?/jobs/${link.id}(/|$|\\?)`).test(path) ? withTicket(path, link.text) : path;
}

/** Fetches what the service has, as who is logged in. A token that has expired is replaced once. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const used = token;
  const send = () => fetch(addressed(path), { ...init, headers: { ...(init.headers as Record<string, string>), ...credentials() } });
  const r = await send();
  return r.status === 401 && (await renewed(used)) ? send() : r;
}

export const tokenNow = () => token;

let renewing: Promise<boolean> | null = null;
/** Whether there is another token than the one that a request was refused with. It waits for a login where one is needed. */
export function renewed(used: string): Promise<boolean> {
  if (who.mode !== "oidc" || used === "") return Promise.resolve(false);
  if (used !== token) return Promise.resolve(token !== "");
  renewing ??= renew().finally(() => (renewing = null));
  return renewing;
}

async function renew(): Promise<boolean> {
  if (await refreshed()) return true;
  if (mayLeave() && Date.now() - since > SOONEST) {
    try {
      await leave(true);
      return await new Promise<boolean>(() => {}); // the page is being left
    } catch {
      // The provider is away: whoever presses the button hears of it.
    }
  }
  await lapsed(inWindow);
  return token !== "";
}

const options = () => ({ [oauth.allowInsecureRequests]: who.issuer!.startsWith("http:") }); // the service takes http on its own machine only
const client = (): oauth.Client => ({ client_id: who.client_id! });
const redirect = () => `${location.origin}/`;

let known: Promise<oauth.AuthorizationServer> | null = null;
function provider(): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(who.issuer!);
  known ??= oauth.discoveryRequest(issuer, options()).then((r) => oauth.processDiscoveryResponse(issuer, r));
  known.catch(() => (known = null));
  return known;
}

/** The address that asks the provider for a code, and what its answer is compared with. */
export async function authorization(as: oauth.AuthorizationServer, mark: string, silent: boolean): Promise<{ url: URL; pending: Pending }> {
  const scope = who.scopes || "openid";
  const pending: Pending = {
    state: mark + oauth.generateRandomState(),
    nonce: scope.split(" ").includes("openid") ? oauth.generateRandomNonce() : "",
    verifier: oauth.generateRandomCodeVerifier(),
    back: location.pathname + location.search + location.hash,
  };
  const url = new URL(as.authorization_endpoint!);
  const q = { response_type: "code", client_id: who.client_id!, redirect_uri: redirect(), scope, state: pending.state, code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier), code_challenge_method: "S256" };
  for (const [k, v] of Object.entries(q)) url.searchParams.set(k, v);
  if (pending.nonce) url.searchParams.set("nonce", pending.nonce);
  if (silent) url.searchParams.set("prompt", "none");
  return { url, pending };
}

/** Leaves the page for the provider's. */
async function leave(silent: boolean) {
  const { url, pending } = await authorization(await provider(), "", silent);
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  location.assign(url);
}

/** Logs in; the page comes back as it was. */
export async function login() {
  try {
    await leave(false);
  } catch (e) {
    throw new Error(reason(e));
  }
}

/** Logs in again in a window of its own, so that what was typed in this page stays. Call it from a click. */
async function inWindow() {
  const w = window.open("about:blank", "eemt-login", "popup,width=520,height=680");
  if (!w) throw new Error("the browser does not let this page open a window: allow it, and try again");
  const channel = new BroadcastChannel(CHANNEL);
  try {
    const { url, pending } = await authorization(await provider(), WINDOW, false);
    const answer = new Promise<URLSearchParams>((resolve) => {
      channel.onmessage = (e) => {
        const q = new URLSearchParams(String(e.data));
        if (q.get("state") === pending.state) resolve(q);
      };
    });
    w.location.href = url.href;
    const before = who.owner;
    await exchange(pending, await answer);
    if (who.owner !== before) location.reload(); // what is shown is another's
  } catch (e) {
    w.close();
    throw new Error(reason(e));
  } finally {
    channel.close();
  }
}

/** Gets the token for the code that the provider sent. */
async function exchange(p: Pending, answer: URLSearchParams) {
  const as = await provider();
  const good = oauth.validateAuthResponse(as, client(), answer, p.state);
  const r = await oauth.authorizationCodeGrantRequest(as, client(), oauth.None(), good, redirect(), p.verifier, options());
  const t = await oauth.processAuthorizationCodeResponse(as, client(), r, p.nonce ? { expectedNonce: p.nonce } : {});
  const claims = oauth.getValidatedIdTokenClaims(t);
  name = String(claims?.name ?? claims?.preferred_username ?? claims?.email ?? "");
  took(t);
  const me = await fetch("/auth", { headers: credentials() });
  if (!me.ok) {
    forget();
    const said = (await me.json().catch(() => ({}))) as { detail?: string };
    throw new Error(said.detail ?? `the server answered ${me.status}`);
  }
  who = (await me.json()) as Who;
  problem = "";
  sessionStorage.setItem(BEFORE, "yes");
}

function took(t: oauth.TokenEndpointResponse) {
  token = t.access_token;
  refreshToken = t.refresh_token ?? refreshToken;
  idToken = t.id_token ?? idToken;
  since = Date.now();
  clearTimeout(timer);
  if (refreshToken && t.expires_in) timer = window.setTimeout(() => void refreshed(), 1000 * Math.max(t.expires_in / 2, t.expires_in - 60));
}

let refreshing: Promise<boolean> | null = null;
/** Whether the refresh token brought another token. It is used once at a time: a provider may revoke all when it comes twice. */
function refreshed(): Promise<boolean> {
  refreshing ??= refresh().finally(() => (refreshing = null));
  return refreshing;
}

async function refresh(): Promise<boolean> {
  if (!refreshToken) return false;
  try {
    const as = await provider();
    took(await oauth.processRefreshTokenResponse(as, client(), await oauth.refreshTokenGrantRequest(as, client(), oauth.None(), refreshToken, options())));
    return true;
  } catch (e) {
    if (e instanceof oauth.ResponseBodyError) refreshToken = ""; // it is used up or revoked
    return false;
  }
}

function forget() {
  token = refreshToken = idToken = name = "";
  clearTimeout(timer);
  sessionStorage.removeItem(BEFORE);
}

/** Forgets who is logged in, and ends the session at the provider where it has an address for that. */
export async function logout() {
  const hint = idToken;
  forget();
  const as = await provider().catch(() => null);
  const to = new URL(as?.end_session_endpoint ?? "/", location.origin);
  if (as?.end_session_endpoint) {
    to.searchParams.set("client_id", who.client_id!);
    to.searchParams.set("post_logout_redirect_uri", redirect());
    if (hint) to.searchParams.set("id_token_hint", hint);
  }
  location.assign(to);
}

/** An error of a login as a sentence. */
function reason(e: unknown): string {
  if (e instanceof oauth.AuthorizationResponseError || e instanceof oauth.ResponseBodyError) return `the login was refused: ${e.error_description ?? e.error}`;
  if (!window.isSecureContext) return "a login needs https";
  if (e instanceof oauth.OperationProcessingError) return `the provider's answer is not as it must be: ${e.message}`;
  if (e instanceof TypeError) return "the provider that people log in with does not answer";
  return (e as Error).message;
}

/** Finds out who uses the page. False means that the page is only the window of a login, and ends. */
export async function begin(): Promise<boolean> {
  const q = new URLSearchParams(location.search);
  const answered = q.has("state") && (q.has("code") || q.has("error"));
  if (answered && q.get("state")!.startsWith(WINDOW)) {
    new BroadcastChannel(CHANNEL).postMessage(location.search);
    window.close();
    return false;
  }
  link = linkOf(location.search, location.hash);
  if (link) history.replaceState(null, "", `${location.pathname}#${link.id}`);
  try {
    const r = await fetch("/auth", { headers: { Accept: "application/json" } });
    if (r.ok) who = (await r.json()) as Who;
  } catch {
    // What is asked next says that the server is away.
  }
  if (who.mode !== "oidc" || link) return true;
  try {
    if (answered) await comeBack(q);
    else if (sessionStorage.getItem(BEFORE)) {
      sessionStorage.removeItem(BEFORE); // once
      await leave(true);
      return await new Promise<boolean>(() => {}); // the page is being left
    }
  } catch (e) {
    // Nobody is logged in at the provider: the button is the answer.
    const asked = e instanceof oauth.AuthorizationResponseError && ["login_required", "interaction_required", "consent_required", "account_selection_required"].includes(e.error);
    problem = asked ? "" : reason(e);
  }
  return true;
}

/** Takes the provider's answer out of the address. */
async function comeBack(answer: URLSearchParams) {
  const kept = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  const p = kept ? (JSON.parse(kept) as Pending) : null;
  history.replaceState(null, "", p?.back ?? "/");
  if (!p) throw new Error("this login did not begin here, or was used before: log in again");
  await exchange(p, answer);
}
