// Tickets, for what the browser and other programs open without the token: events, downloads, copied addresses.
import { bearing, linked, request, withTicket } from "./login";

/** A ticket that is valid for less than this, in ms, is replaced. */
const LEAST = 15 * 60e3;

const kept = new Map<string, { text: string; expires: number }>();

/** A ticket of a job; the link's text where a link opened it; empty where none is needed, or none is given. */
export async function ticketOf(id: string): Promise<string> {
  if (linked(id)) return linked(id);
  if (!bearing()) return "";
  const old = kept.get(id);
  if (old && old.expires - Date.now() > LEAST) return old.text;
  const r = await request(`/jobs/${id}/tickets`, { method: "POST", headers: { Accept: "application/json" } }).catch(() => null);
  if (!r?.ok) return old?.text ?? "";
  const { ticket, expires } = (await r.json()) as { ticket: string; expires: string };
  kept.set(id, { text: ticket, expires: Date.parse(expires) });
  return ticket;
}

/** Puts a new ticket in the place of an old one, in addresses and in text. */
export function replaceTicket(within: Element, before: string, now: string) {
  if (!before || !now || before === now) return;
  for (const a of within.querySelectorAll<HTMLAnchorElement>("a[href]")) a.setAttribute("href", a.getAttribute("href")!.replace(before, now));
  for (const p of within.querySelectorAll("pre")) p.textContent = p.textContent!.replaceAll(before, now);
}

/** Lets a link that needs a ticket get it when it is pressed. In modes without login it is as it was. */
export function ticketed(a: HTMLAnchorElement, id: string): HTMLAnchorElement {
  const path = a.getAttribute("href")!;
  let ready = false;
  a.addEventListener("click", (e) => {
    if (!bearing() || ready) return;
    e.preventDefault();
    void ticketOf(id).then((t) => {
      ready = true;
      a.setAttribute("href", withTicket(path, t));
      a.click();
      a.setAttribute("href", path);
      ready = false;
    });
  });
  return a;
}
