// Shows the view that the address names, and keeps it fresh.

import { get, hasToken, setToken } from "./api.js";
import { askToken, help } from "./dialogs.js";
import { el, fill } from "./dom.js";
import * as format from "./format.js";
import { listen } from "./shortcuts.js";
import { current, go, link } from "./state.js";
import { moved, toolbar } from "./toolbar.js";
import * as energy from "./views/energy.js";
import * as gpus from "./views/gpus.js";
import * as nodes from "./views/nodes.js";
import * as pipeline from "./views/pipeline.js";

const VIEWS = { energy: ["Energy", energy], nodes: ["Nodes", nodes], gpus: ["GPUs", gpus], pipeline: ["Pipeline", pipeline] };

const main = document.getElementById("main");
const updated = document.getElementById("updated");
const controls = toolbar(document.getElementById("toolbar"), { refresh, theme, help, sign });
let tab;
let sections = [];
let names = [];
let asking = new AbortController();
let timer;
// The server wanted a token and nobody gave one.
let refused = false;

/** Asks for everything that is shown, and again after the interval of the view. */
async function refresh() {
  clearTimeout(timer);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const view = current();
  const [, ...problems] = await Promise.all([nameNodes(signal), ...sections.map((section) => section.update(view, signal))]);
  if (signal.aborted) return;
  const problem = problems.find(Boolean);
  updated.textContent = problem ? "" : `Updated ${format.time(Date.now())}`;
  const wants = problems.find((one) => one?.code === 401);
  if (wants && !refused) askToken(wants.message, () => { refused = false; refresh(); });
  refused = Boolean(wants);
  controls.show(current(), names, access());
  if (Number(view.every) > 0) timer = setTimeout(() => document.hidden || refresh(), Number(view.every) * 1000);
}

async function nameNodes(signal) {
  try {
    names = (await get("nodes", {}, signal)).nodes.map((one) => one.node);
  } catch {
    // The parts of the view say what went wrong.
  }
}

function show() {
  const view = current();
  if (view.tab !== tab) {
    tab = view.tab;
    const [title, module] = VIEWS[tab];
    document.title = `${title} · Alumet`;
    sections = module.sections();
    main.replaceChildren(...sections.map((section) => section.root));
  }
  const links = Object.entries(VIEWS).map(([name, [title]]) =>
    el("a", { href: link({ tab: name, sort: "", of: name === tab ? view.of : "", hide: "" }), "aria-current": name === tab && "page", data: { key: name } }, title));
  fill(document.getElementById("tabs"), links);
  controls.show(view, names, access());
  refresh();
}

function theme(chosen) {
  if (chosen === "system") {
    localStorage.removeItem("alumet-theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("alumet-theme", chosen);
    document.documentElement.dataset.theme = chosen;
  }
  controls.showTheme();
  repaint();
}

function repaint() {
  for (const section of sections) section.repaint();
}

const access = () => (refused ? "refused" : hasToken() ? "token" : "open");

/** Forgets the token and what was seen with it, so that another one is asked for. */
function sign() {
  setToken(null);
  refused = false;
  tab = undefined;
  names = [];
  show();
}

function up() {
  document.querySelector("[data-up]")?.click();
}

function nextSplit() {
  const links = [...document.querySelectorAll("[data-key^='split ']")];
  const at = links.findIndex((one) => one.getAttribute("aria-current") === "true");
  links[(at + 1) % links.length]?.click();
}

listen({
  1: () => go({ tab: "energy" }),
  2: () => go({ tab: "nodes" }),
  3: () => go({ tab: "gpus" }),
  4: () => go({ tab: "pipeline" }),
  t: () => controls.focus("time"),
  n: () => controls.focus("node"),
  ",": () => go(moved(current(), -0.5)),
  ".": () => go(moved(current(), 0.5)),
  "-": () => go(moved(current(), 0, 2)),
  "+": () => go(moved(current(), 0, 0.5)),
  b: nextSplit,
  Escape: up,
  r: refresh,
  d: () => document.querySelector("[aria-label^='Appearance']").click(),
  "?": help,
});

addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.addEventListener("visibilitychange", () => document.hidden || refresh());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
show();
