// The controls above every view: time, node, refresh, appearance.

import { el } from "./dom.js";
import { node as nameOfNode } from "./names.js";
import { between, current, go, instant, range } from "./state.js";

const PRESETS = [["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "1 hour"], ["6h", "6 hours"], ["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"]];
const INTERVALS = [["0", "off"], ["2", "2 s"], ["5", "5 s"], ["15", "15 s"], ["60", "1 min"]];
const THEMES = ["system", "light", "dark"];
const CUSTOM = "custom";

/** Makes the controls in `parent`; each of `on` is called for what no address says. */
export function toolbar(parent, on) {
  const time = select("Time", PRESETS.map(([length, text]) => [length, `Last ${text}`]), (length) => {
    if (length !== CUSTOM) return go({ from: `now-${length}`, to: "now" });
    const { from, to } = range(current());
    go(between(from, to));
    custom.hidden = false;
    from_.focus();
  });
  time.control.append(el("option", { value: CUSTOM }, "From … to …"));
  const from_ = el("input", { type: "datetime-local", step: "1", "aria-label": "From", required: true });
  const to_ = el("input", { type: "datetime-local", step: "1", "aria-label": "To", required: true });
  const custom = el("form", { class: "custom", onsubmit: apply }, from_, el("span", { "aria-hidden": "true" }, "–"), to_, el("button", { type: "submit" }, "Apply"));
  const node = select("Node", [], (name) => go({ node: name, of: "", hide: "", rank: name === "" ? "node" : "cgroup" }));
  const every = select("Refresh", INTERVALS, (seconds) => go({ every: seconds }));
  const now = button("↻", "Refresh now", on.refresh);
  const theme = button("", "", () => on.theme(nextTheme()));
  const help = button("?", "Keys and help", on.help);
  const sign = el("button", { type: "button", onclick: () => on.sign() });
  parent.append(time.label, custom, node.label, el("span", { class: "pair" }, every.label, now), theme, help, sign);
  showTheme();

  function apply(event) {
    event.preventDefault();
    const [from, to] = [from_, to_].map((input) => new Date(input.value).getTime());
    to_.setCustomValidity(from < to ? "" : "The end must be after the beginning.");
    if (to_.reportValidity()) go(between(from, to));
  }
  to_.addEventListener("input", () => to_.setCustomValidity(""));
  from_.addEventListener("input", () => to_.setCustomValidity(""));

  function showTheme() {
    const chosen = document.documentElement.dataset.theme ?? "system";
    theme.textContent = { system: "◐", light: "☀", dark: "☾" }[chosen];
    theme.title = `Appearance: ${chosen}`;
    theme.setAttribute("aria-label", `Appearance: ${chosen}`);
  }

  return {
    showTheme,
    focus: (name) => ({ time, node })[name].control.focus(),
    /** Shows a view in the controls; the access is `open`, `refused` or by `token`. */
    show(view, nodes, access) {
      const { from, to } = range(view);
      const preset = view.to === "now" && PRESETS.find(([length]) => from === instant(`now-${length}`, to));
      time.control.value = preset ? preset[0] : CUSTOM;
      custom.hidden = Boolean(preset);
      if (!custom.contains(document.activeElement)) [from_.value, to_.value] = [local(from), local(to)];
      options(every.control, INTERVALS.some(([seconds]) => seconds === view.every) ? INTERVALS : [...INTERVALS, [view.every, `${view.every} s`]], view.every);
      const names = new Set([...nodes, ...(view.node === "" ? [] : [view.node])]);
      options(node.control, [["", "All nodes"], ...[...names].filter(Boolean).map((name) => [name, nameOfNode(name)])], view.node);
      sign.hidden = access === "open";
      sign.textContent = access === "refused" ? "Sign in" : "Sign out";
    },
  };
}

const button = (text, label, onclick) => el("button", { type: "button", title: label, "aria-label": label, onclick: () => onclick() }, text);

function select(label, choices, chosen) {
  const control = el("select", { onchange: () => chosen(control.value) });
  options(control, choices, choices[0]?.[0]);
  return { control, label: el("label", {}, el("span", {}, label), control) };
}

function options(control, choices, value) {
  const wanted = JSON.stringify(choices);
  if (control.dataset.choices !== wanted) {
    control.replaceChildren(...choices.map(([value, text]) => el("option", { value }, text)));
    control.dataset.choices = wanted;
  }
  control.value = value;
}

/** What a `datetime-local` control takes: the local time. */
function local(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

const nextTheme = () => THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length];

/** The view a part of its own length earlier (negative) or later, or wider than it is. */
export function moved(view, part, wider = 1) {
  const { from, to } = range(view);
  const middle = (from + to) / 2 + (to - from) * part;
  const half = ((to - from) / 2) * wider;
  const end = Math.min(middle + half, Date.now());
  if (part === 0 && view.to === "now") return { from: `now-${Math.round((2 * half) / 1000)}s`, to: "now" };
  return between(end - 2 * half, end);
}
