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

/** A list of findings, doubts first; null when there is none. */
export function findingList(list: Finding[]): HTMLElement | null {
  if (!list.length) return null;
  const order = { refusal: 0, doubt: 1, note: 2 };
  const sorted = [...list].sort((a, b) => order[a.severity] - order[b.severity]);
  return h(
    "ul",
    { class: "findings" },
    sorted.map((f) => h("li", { "data-severity": f.severity }, h("strong", {}, `${f.severity[0].toUpperCase()}${f.severity.slice(1)}${f.accepted ? ", accepted" : ""}: `), sentence(f), " ", h("code", {}, f.code))),
  );
}
