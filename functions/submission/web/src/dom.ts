// Makes elements. Text is always text: nothing here parses HTML.

type Child = Node | string | number | null | undefined | false;

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Record<string, unknown> = {}, ...children: (Child | Child[])[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value as EventListener);
    else if (name === "class") e.className = String(value);
    else if (name in e && !name.includes("-") && name !== "list" && name !== "form") (e as unknown as Record<string, unknown>)[name] = value;
    else e.setAttribute(name, value === true ? "" : String(value));
  }
  e.append(...flat(children));
  return e;
}

export function svg(tag: string, props: Record<string, string | number>, ...children: (Node | string)[]): SVGElement {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) e.setAttribute(name, String(value));
  e.append(...children);
  return e;
}

function flat(children: (Child | Child[])[]): (Node | string)[] {
  return children
    .flat()
    .filter((c): c is Node | string | number => c !== null && c !== undefined && c !== false)
    .map((c) => (typeof c === "number" ? String(c) : c));
}

export function fill(e: Element, ...children: (Child | Child[])[]) {
  e.replaceChildren(...flat(children));
}

/** Says something for a while, to everybody. */
export function note(text: string, kind: "good" | "bad" = "good") {
  const box = h("div", { class: `note ${kind}` }, text, h("button", { class: "quiet", type: "button", "aria-label": "Close this message", onclick: () => box.remove() }, "×"));
  document.getElementById("notes")!.append(box);
  setTimeout(() => box.remove(), kind === "bad" ? 12000 : 5000);
}

/** Asks before something that cannot be taken back. */
export function confirmed(title: string, text: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    const close = (yes: boolean) => {
      d.close();
      d.remove();
      resolve(yes);
    };
    const d = h(
      "dialog",
      { "aria-labelledby": "ask", oncancel: () => close(false) },
      h("h2", { id: "ask" }, title),
      h("p", {}, text),
      h("p", { class: "actions" }, h("button", { type: "button", onclick: () => close(false) }, "Keep it"), h("button", { type: "button", class: "danger", onclick: () => close(true) }, action)),
    );
    document.body.append(d);
    d.showModal();
  });
}
