// Lets others read a job: a group, or whoever has a link.
import { ask } from "./api";
import { fill, h, note } from "./dom";
import { caller } from "./login";
import { upper } from "./submit";

interface Share {
  id: string;
  group?: string;
  created: string;
  expires: string;
  link?: string;
}

/** The days that a share lasts, if nothing else is typed; and at most. */
const USUAL = 30;
const MOST = 366;

export async function share(id: string, copy: (text: string, what: string) => HTMLElement) {
  const at = `/jobs/${id}/shares`;
  const list = h("ul", { class: "shares", id: "shares" });
  const made = h("div", { id: "share-made", role: "status" });
  const error = h("p", { class: "problem", role: "alert", id: "share-error", hidden: true });
  const group = h("input", { id: "share-group", list: "share-groups", maxLength: 255, placeholder: "empty: whoever has the link" });
  const days = h("input", { id: "share-days", type: "number", min: 1, max: MOST, value: String(USUAL), required: true });
  const attempt = async (f: () => Promise<void>) => {
    error.hidden = true;
    try {
      await f();
    } catch (e) {
      error.textContent = upper((e as Error).message);
      error.hidden = false;
    }
  };
  const line = (s: Share) => {
    const name = s.group ? `group ${s.group}` : `link of ${s.created.slice(0, 10)}`;
    return h("li", {}, h("span", {}, `${upper(name).slice(0, -1)}, until ${s.expires.slice(0, 10)} `), h("button", { type: "button", class: "small danger", "aria-label": `Revoke ${name}`, onclick: () => void attempt(() => revoke(s)) }, "Revoke"));
  };
  const load = async () => {
    const { shares } = await ask<{ shares: Share[] }>(at);
    fill(list, shares.length ? shares.map(line) : h("li", { class: "hint" }, "Not shared yet."));
  };
  const revoke = async (s: Share) => {
    await ask<void>(`${at}/${s.id}`, { method: "DELETE" });
    fill(made);
    note("It is no longer shared that way");
    await load();
  };
  const create = async () => {
    const s = await ask<Share>(at, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ group: group.value.trim(), days: Number(days.value) }) });
    fill(made, s.link ? h("div", {}, h("label", { for: "share-link" }, "The link, shown only now: whoever has it reads this job"), h("input", { id: "share-link", readOnly: true, value: s.link, onfocus: (e: Event) => (e.target as HTMLInputElement).select() }), copy(s.link, "the link")) : h("p", {}, `Group ${s.group} reads this job.`));
    await load();
  };
  const close = () => {
    d.close();
    d.remove();
  };
  const d = h(
    "dialog",
    { "aria-labelledby": "share-title", id: "share-dialog", oncancel: () => d.remove() },
    h("h2", { id: "share-title" }, "Share this job"),
    h("p", { class: "hint" }, "Others read the job and its maps. They change nothing."),
    list,
    h(
      "form",
      { class: "stack", onsubmit: (e: Event) => (e.preventDefault(), void attempt(create)) },
      h("div", { class: "field" }, h("label", { for: "share-group" }, "Group"), group, h("datalist", { id: "share-groups" }, (caller().groups ?? []).map((g) => h("option", { value: g })))),
      h("div", { class: "field" }, h("label", { for: "share-days" }, "Days"), days),
      error,
      made,
      h("p", { class: "actions" }, h("button", { type: "button", id: "share-close", onclick: close }, "Close"), h("button", { class: "primary", id: "share-make" }, "Share")),
    ),
  );
  document.body.append(d);
  d.showModal();
  await attempt(load);
}
