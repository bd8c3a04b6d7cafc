// What is asked or told above the page.

import { setToken } from "./api.js";
import { el } from "./dom.js";
import { KEYS } from "./shortcuts.js";

/** Tells the keys. */
export function help() {
  const rows = [...KEYS, ["↑ ↓", "Row of a table"], ["← →", "Value of a plot"], ["Enter", "Open the row"]];
  open("Keys", (close) => [
    el("table", { class: "keys" }, el("tbody", {}, rows.map(([key, text]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, text))))),
    el("p", {}, "Drag over a plot to look closer; the back button of the browser goes back. The address restores what you see."),
    el("button", { type: "button", onclick: close }, "Close"),
  ]);
}

/** Asks for a token after the server said `why`; `then` is called when one was given. */
export function askToken(why, then) {
  if (document.querySelector("dialog[open]")) return;
  const input = el("input", { type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  open("Token", (close) => [
    el("p", {}, why),
    el("form", { onsubmit: (event) => { event.preventDefault(); setToken(input.value.trim()); close(); then(); } },
      el("label", {}, el("span", {}, "Token"), input),
      el("p", { class: "note" }, "It is kept until this tab is closed, and sent to this server only."),
      el("button", { type: "submit" }, "Sign in"), " ", el("button", { type: "button", onclick: close }, "Cancel")),
  ]);
  input.focus();
}

function open(title, content) {
  const dialog = el("dialog", { "aria-label": title, onclose: () => dialog.remove() });
  dialog.append(el("h2", {}, title), ...content(() => dialog.close()));
  document.body.append(dialog);
  dialog.showModal();
}
