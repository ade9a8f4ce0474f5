// What the page shows of a login: the name and a button in its head, a button in place of its content, a word when the login has expired.
import { fill, h, note } from "./dom";
import { caller, login, loginProblem, logout, named, ownName, strange, whenLapsed } from "./login";
import { upper } from "./submit";

const box = h("span", { id: "account" });

/** Shows in the head who is logged in. Where nobody logs in it stays as it is. */
export function showAccount() {
  const { mode, role } = caller();
  if (mode !== "oidc" && !named()) return;
  document.querySelector("header.bar")!.insertBefore(box, document.getElementById("theme"));
  if (strange()) return fill(box, loginButton("login-head", "small"));
  fill(box, h("span", { class: "hint", id: "owner", title: `${ownName()}: ${role}` }, ownName()), mode === "oidc" ? h("button", { type: "button", class: "small", id: "logout", onclick: () => void logout() }, "Log out") : null);
}

function loginButton(id: string, kind: string): HTMLElement {
  return h("button", { type: "button", class: kind, id, onclick: () => void login().catch((e: Error) => note(upper(e.message), "bad")) }, "Log in");
}

/** What stands in place of the form and the lists until somebody is logged in. */
export class LoginPage {
  readonly element = h(
    "section",
    { class: "card" },
    h("h1", {}, "Log in"),
    h("p", {}, `This service shows jobs to their owners only. You log in at ${new URL(caller().issuer!).host}, and come back here.`),
    loginProblem() ? h("p", { class: "problem", role: "alert", id: "login-problem" }, upper(loginProblem())) : null,
    h("p", {}, loginButton("login", "primary")),
  );
  close() {}
}

/** Asks for another login when one has expired; what was typed stays. leave says whether leaving the page would lose nothing. */
export function watchLogin(leave: () => boolean) {
  whenLapsed(
    (again) =>
      new Promise((resolve) => {
        const press = () =>
          void again().then(
            () => {
              banner.remove();
              showAccount();
              resolve();
            },
            (e: Error) => (said.textContent = upper(e.message)),
          );
        const said = h("span", { class: "problem", role: "status" });
        const banner = h("div", { class: "verdict fair", id: "lapsed", role: "alert" }, h("strong", {}, "The login has expired. "), "What you typed is kept. ", h("button", { type: "button", id: "login-again", onclick: press }, "Log in again"), " ", said);
        document.getElementById("main")!.before(banner);
      }),
    leave,
  );
}
