// The page: which view is shown, in which theme.
import "./style.css";
import { LoginPage, showAccount, watchLogin } from "./account";
import { fill, h } from "./dom";
import { JobPage } from "./job";
import { Jobs } from "./jobs";
import { begin, linked, may, strange } from "./login";
import { Submit } from "./submit";

interface Shown {
  element: HTMLElement;
  close(): void;
}

const main = document.getElementById("main")!;
let shown: Shown | null = null;

function go(path: string) {
  history.pushState(null, "", path);
  route(true);
}

function route(focus = false) {
  shown?.close();
  const id = /^#([0-9A-Z]{26})$/.exec(location.hash)?.[1];
  const view = id ? "job" : location.pathname === "/monitor" || !may("user") ? "jobs" : "new";
  const closed = strange() && !(id && linked(id));
  shown = closed ? new LoginPage() : id ? new JobPage(id, () => go("/monitor")) : view === "jobs" ? new Jobs() : new Submit((job) => go(`/monitor#${job}`));
  document.title = closed ? "EEMT: log in" : view === "new" ? "EEMT: new job" : view === "jobs" ? "EEMT: jobs" : `EEMT: job ${id!.slice(-8)}`;
  for (const a of document.querySelectorAll<HTMLAnchorElement>("header nav a")) {
    if (a.dataset.view === (view === "job" ? "jobs" : view)) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  fill(main, shown.element);
  if (focus) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

// Links between the views change them without a new document.
document.addEventListener("click", (e) => {
  const a = (e.target as Element).closest<HTMLAnchorElement>("a[href]");
  if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  if (!(a.dataset.view || a.classList.contains("brand"))) return;
  e.preventDefault();
  go(a.getAttribute("href")!);
});
window.addEventListener("popstate", () => route());
window.addEventListener("hashchange", () => location.hash !== "#main" && route());

// The theme: as the system has it, or as chosen.
const THEMES = ["auto", "light", "dark"];
const button = document.getElementById("theme") as HTMLButtonElement;
let theme = "auto";
try {
  theme = localStorage.getItem("eemt-theme") ?? "auto";
} catch {
  // Storage may be switched off.
}
function apply() {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  fill(button, theme === "light" ? "☀ Light" : theme === "dark" ? "☾ Dark" : "◐ Auto");
  button.setAttribute("aria-label", `Theme: ${theme}. Change it`);
}
button.hidden = false;
button.addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % 3];
  try {
    localStorage.setItem("eemt-theme", theme);
  } catch {
    // The choice then lasts as long as the page.
  }
  apply();
});
apply();
// The jump to the content must not be taken for the address of a job.
document.querySelector(".skip")!.addEventListener("click", (e) => {
  e.preventDefault();
  main.focus();
});
watchLogin(() => shown instanceof Jobs || shown instanceof JobPage);
void begin().then((stays) => {
  if (!stays) return fill(main, h("p", {}, "You are logged in: close this window."));
  showAccount();
  if (!strange() && !may("user")) document.querySelector<HTMLElement>("header [data-view=new]")!.hidden = true;
  route();
});
