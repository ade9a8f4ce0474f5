import { h } from "./dom";

/** What was noticed about the inputs of a job, as the server words it. */
export interface Finding {
  code: string;
  severity: "refusal" | "doubt" | "note";
  message: string;
  value?: string;
  looks_like?: string;
  next?: string;
  accepted?: boolean;
}

/** The finding in one sentence. */
export function sentence(f: Finding): string {
  return f.message + (f.looks_like ? `; looks like ${f.looks_like}` : "") + (f.next ? `; ${f.next}` : "");
}

/** Whether there is a doubt that nobody has accepted. */
export function doubtful(list: Finding[]): boolean {
  return list.some((f) => f.severity === "doubt" && !f.accepted);
}

/** Codes of refusals that may be accepted, as any doubt may. */
const SETTLEABLE = ["climate-hemisphere", "climate-place", "dem-unit"];

/** Whether a parameter of the form or another climate can settle a refusal: of others the DEM itself must change. */
export function settles(f: Finding): boolean {
  return f.severity === "refusal" && (f.code.startsWith("climate-") || ["dem-crs", "dem-elevation", "dem-nodata", "dem-unit"].includes(f.code));
}

/** Whether the finding is listed where its refusal is already said: only to be accepted. */
export function listed(f: Finding): boolean {
  return f.severity !== "refusal" || SETTLEABLE.includes(f.code);
}

/** A list of findings, doubts first; null when there is none. With accept there is a button at each that may be accepted. */
export function findingList(list: Finding[], accept?: (code: string, on: boolean) => void): HTMLElement | null {
  if (!list.length) return null;
  const order = { refusal: 0, doubt: 1, note: 2 };
  const sorted = [...list].sort((a, b) => order[a.severity] - order[b.severity]);
  const button = (f: Finding) =>
    accept && f.severity !== "note" && listed(f)
      ? h("button", { type: "button", class: "small", "data-accept": f.code, "aria-label": `${f.accepted ? "Do not accept" : "Accept"} ${f.code}`, onclick: () => accept(f.code, !f.accepted) }, f.accepted ? "Do not accept" : "Accept")
      : null;
  return h(
    "ul",
    { class: "findings" },
    sorted.map((f) => h("li", { "data-severity": f.severity }, h("strong", {}, `${f.severity[0].toUpperCase()}${f.severity.slice(1)}${f.accepted ? ", accepted" : ""}: `), sentence(f), " ", h("code", {}, f.code), button(f))),
  );
}
