// Power over time, and who used the energy.

import { get } from "../api.js";
import { COLORS } from "../colors.js";
import { gpusBesides, groupsAround, identity, largest } from "../consumers.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import * as names from "../names.js";
import { series, stackedPlot, sum } from "../plot.js";
import { empty, section } from "../section.js";
import { link, range, selection, step, subject } from "../state.js";
import { bar, rowLink, table } from "../table.js";

export const sections = () => [crumbs(), power(), ranking()];

const NO_ENERGY = [
  "No energy is stored for this time and selection.",
  "Enable a source that measures it on the agents, such as rapl or nvml; there, “alumet-agent doctor” says which ones work. Or choose a longer time.",
];

/** What is looked at, and the way back. */
function crumbs() {
  return section("Selection", async (view, signal) => {
    const of = subject(view);
    if (of === null || of.kind === "gpu") return { labels: {}, groups: [] };
    const { from, to, node, ...asked } = selection(view);
    if (of.kind === "cgroup") {
      const groups = await groupsWith(of.id, { from, to, node }, signal);
      return { labels: groups.at(-1)?.labels ?? {}, groups: groups.slice(0, -1) };
    }
    const { rows } = await get("top", { from, to, node, ...asked, by: "consumer", n: 1 }, signal);
    const labels = rows[0]?.labels ?? {};
    return { labels, groups: labels.cgroup === undefined ? [] : await groupsWith(labels.cgroup, { from, to, node: labels.node ?? node }, signal) };
  }, (view, { labels, groups }) => {
    const of = subject(view);
    const all = { node: "", of: "", hide: "", sort: "", rank: "node" };
    const steps = [["All nodes", all]];
    if (view.node !== "") steps.push([names.node(view.node), { ...all, node: view.node, rank: "cgroup" }]);
    for (const group of groups) {
      const there = { ...all, node: view.node, of: `cgroup:${group.id}` };
      steps.push([names.subjectName(there, group.labels), { ...there, rank: of.kind === "process" ? "process" : "cgroup" }]);
    }
    if (of !== null) steps.push([names.subjectName(view, labels), {}]);
    return el("nav", { "aria-label": "Selection" }, el("ol", { class: "crumbs" }, steps.map(([text, changes], index) =>
      el("li", {}, index === steps.length - 1
        ? el("span", { "aria-current": "location", title: of?.id }, text)
        : el("a", { href: link(changes), data: { key: `crumb ${index}`, ...(index === steps.length - 2 && { up: "" }) } }, text)))));
  });
}

/** A group, and of those that contain it the ones that people have named: pods, jobs, containers. */
async function groupsWith(path, where, signal) {
  const { consumers } = await get("consumers", { ...where, consumer_kind: "cgroup", consumer_id: groupsAround(path), limit: 100 }, signal);
  const byPath = new Map(consumers.map((one) => [one.id, one]));
  const isNamed = ({ id, labels }) => names.consumer({ ...labels, consumer_kind: "cgroup", consumer_id: id }).kind !== "group";
  const known = [...byPath.values()].filter((one) => one.id !== path && isNamed(one));
  return [...known, byPath.get(path) ?? { id: path, labels: {} }];
}

/** Links of which one is chosen. */
function choice(label, key, chosen, options) {
  return el("div", { class: "choice", role: "group", "aria-label": label }, el("span", { "aria-hidden": "true" }, label),
    options.map(([value, text]) => el("a", {
      href: link({ [key]: value, hide: "", sort: "", n: "10" }),
      "aria-current": value === chosen && "true",
      data: { key: `${key} ${value}` },
    }, text)));
}

function splits(view) {
  const of = subject(view);
  if (of?.kind === "process") return [["domain", "Part"]];
  if (of !== null) return [["domain", "Part"], ["consumer", of.kind === "gpu" ? "Process" : "Inside"]];
  return [["domain", "Domain"], ["consumer", view.rank === "process" ? "Process" : "Consumer"], ["node", "Node"]];
}

function power() {
  const plot = stackedPlot();
  return section("Power over time", async (view, signal) => {
    const seconds = step(view);
    const [answer, nodes, gpus] = await Promise.all([energyByStep(view, `${seconds}s`, signal), get("nodes", {}, signal), gpusBesides(view, signal)]);
    return { ...series(answer, seconds), joules: answer.joules, nodes: nodes.nodes, gpus };
  }, (view, data) => {
    if (data.lines.length === 0) return [tiles(data, view), empty(...NO_ENERGY)];
    queueMicrotask(() => plot.show(data, `${view.split} ${view.node} ${view.of}`));
    const options = splits(view);
    return [tiles(data, view), options.length > 1 && choice("by", "split", view.split, options), plot.root];
  });
}

async function energyByStep(view, step, signal) {
  const asked = { ...selection(view), step };
  const { from, to, joules, rows } = view.split === "consumer" ? await byConsumer(view, asked, signal)
    : await get("energy", { ...asked, by: view.split === "node" ? "node" : "domain,resource_kind" }, signal);
  // The last interval of an answer can end in the future.
  return { from, to: Math.min(to, range(view).to), end: to, joules, rows: merged(rows.map((row) => ({ ...row, ...nameOf(row, view.split) }))) };
}

/** Rows of different names. */
function merged(rows) {
  const byId = Map.groupBy(rows, (row) => row.id);
  return [...byId.values()].map((same) => ({ ...same[0], joules: sum(same.map((row) => row.joules)), points: sumByTime(same) }));
}

function sumByTime(rows) {
  const sums = new Map();
  for (const [at, joules] of rows.flatMap((row) => row.points)) sums.set(at, (sums.get(at) ?? 0) + joules);
  return [...sums];
}

function nameOf({ labels, name }, split) {
  if (name !== undefined) return { id: name, name };
  if (split === "node") return { id: labels.node ?? "", name: names.node(labels.node) };
  if (split === "domain") return { id: names.domain(labels), name: names.domain(labels) };
  const { text, detail } = names.consumer(labels);
  return { id: identity(labels), name: text, detail };
}

/** The largest consumers, and all that is not theirs. */
async function byConsumer(view, asked, signal) {
  // GPUs have consumers as well.
  const ofConsumers = view.rank === "gpu" ? { ...view, rank: "cgroup" } : view;
  const [{ rows: largestOnes, selected, division }, whole] = await Promise.all([largest(ofConsumers, COLORS - 1, signal), get("energy", asked, signal)]);
  if (division === "gpu" || largestOnes.length === 0) return { ...whole, rows: whole.rows.map((row) => ({ ...row, name: "not told apart", rest: true })) };
  const values = (label) => [...new Set(largestOnes.map((row) => row.labels[label]))];
  const theirs = { ...selected, step: asked.step, consumer_kind: values("consumer_kind"), consumer_id: values("consumer_id"), by: "consumer" };
  const wanted = new Set(largestOnes.map((row) => identity(row.labels)));
  const rows = (await get("energy", theirs, signal)).rows.filter((row) => wanted.has(identity(row.labels)));
  const taken = new Map(sumByTime(rows));
  const points = sumByTime(whole.rows).map(([at, joules]) => [at, Math.max(0, joules - (taken.get(at) ?? 0))]);
  const joules = Math.max(0, whole.joules - sum(rows.map((row) => row.joules)));
  return { ...whole, rows: [...rows, { name: "all else", rest: true, joules, points }] };
}

function tiles({ joules, from, to, times, lines, nodes, gpus }, view) {
  const last = times.findLastIndex((_, at) => lines.some((line) => line.watts[at] !== null));
  const latest = last < 0 ? null : sum(lines.map((line) => line.watts[last]));
  const silent = nodes.filter((node) => node.state === "silent");
  const tile = (label, value, note, title) => el("div", {}, el("dt", {}, label), el("dd", { title }, value, note && el("small", {}, note)));
  return el("dl", { class: "tiles" },
    tile("Energy", format.energy(joules), `in ${format.duration(to - from)}`, format.joules(joules)),
    tile("Mean power", format.power((joules ?? NaN) / ((to - from) / 1000)), `over all of ${format.duration(to - from)}`),
    tile("Latest power", format.power(latest), last < 0 ? null : `at ${format.time(times[last])}`),
    gpus > 0 && tile("Energy of GPUs besides", el("a", { href: link({ rank: "gpu", sort: "", n: "10" }), data: { key: "gpus besides" } }, format.energy(gpus)), "by its processes", format.joules(gpus)),
    view.node === "" && subject(view) === null && tile("Nodes live", el("a", { href: link({ tab: "nodes", sort: "" }), data: { key: "nodes live" } }, `${nodes.length - silent.length} of ${nodes.length}`),
      silent.length > 0 && el("span", { class: "bad" }, `${silent.slice(0, 3).map((one) => names.node(one.node)).join(", ")}${silent.length > 3 ? " …" : ""} silent`)));
}

// As many rows as the API gives at once.
const MOST = 1000;

const RANKS = [["node", "Nodes"], ["cgroup", "Pods, jobs, groups"], ["process", "Processes"], ["gpu", "GPUs"]];
const INSIDE = [["cgroup", "Groups inside"], ["process", "Processes"], ["gpu", "GPUs"]];

function ranking() {
  return section("Top consumers", async (view, signal) => {
    const asked = selection(view);
    const ofMachine = subject(view) === null && { node: { ...asked, by: "node" }, gpu: { ...asked, resource_kind: "gpu", by: "resource" } }[view.rank];
    const [answer, whole] = await Promise.all([
      ofMachine ? get("top", { ...ofMachine, n: view.n }, signal) : largest(view, view.n, signal),
      ofMachine ? null : get("energy", asked, signal),
    ]);
    const division = answer.division ?? view.rank;
    // GPUs are a part of their own.
    const joules = division === "gpu" ? 0 : whole?.joules ?? 0;
    return { ...answer, division, whole: Math.max(joules, answer.total.joules), seconds: (range(view).to - Date.parse(asked.from)) / 1000 };
  }, (view, data) => {
    const of = subject(view);
    const { division } = data;
    // There are no groups inside.
    const isEmpty = division === "process" && view.rank !== "process";
    const head = of === null ? choice("of", "rank", division, RANKS) : of.kind === "cgroup" ? choice("of", "rank", division, isEmpty ? INSIDE.slice(1) : INSIDE) : null;
    if (data.rows.length === 0) return [head, nobody(view, of, division)];
    const what = { node: "node", cgroup: "pod, job or group", process: "process", gpu: "GPU" }[division];
    return [head, ranked(view, data, `Energy by ${what}${of === null ? "" : of.kind === "gpu" ? " on this GPU" : " inside"}`),
      data.others.rows > 0 && Number(view.n) < MOST && el("p", {}, el("a", { href: link({ n: String(Math.min(MOST, Number(view.n) * 2)) }), data: { key: "more" } }, "Show more"))];
  });
}

function nobody(view, of, division) {
  if (of?.kind === "process") return empty("A process without energy of GPUs is not divided further.", "The plot above shows its power; the way back is at the top.");
  if (of?.kind === "cgroup" && division === "gpu") return empty("No process in this group has energy of a GPU.", "Enable energy-attribution and, in the GPU's plugin, its processes.");
  if (of?.kind === "cgroup") return empty("Nothing inside this group has energy of its own. Its processes have if energy-attribution and procfs are enabled on the agent, with cgroup among the attributes of processes.",
    el("a", { href: link({ of: "", rank: "process", split: "domain", hide: "", sort: "" }) }, view.node === "" ? "All processes" : `All processes of ${names.node(view.node)}`));
  if (of?.kind === "gpu") return empty("No process has energy of this GPU.", "Enable energy-attribution and, in the GPU's plugin, its processes.");
  if (view.rank === "gpu") return empty("No GPU has energy here.", "Enable nvml, amd-gpu or intel-gpu on agents with GPUs.");
  if (view.rank === "node") return empty(...NO_ENERGY);
  return empty("No energy is attributed to anybody.", view.rank === "process"
    ? "Enable energy-attribution and procfs with its processes on the agents."
    : "Enable energy-attribution and one of cgroups, k8s, slurm, oar or containers on the agents.");
}

function ranked(view, { rows, others, total, division, whole: all, seconds }, caption) {
  const most = Math.max(...rows.map((row) => row.joules));
  const inOneUnit = format.energies(all);
  const ofConsumers = division === "cgroup" || division === "process";
  const columns = [
    { id: "name", head: "Name", value: (row) => title(row, division).text, cell: (row) => first(row, view, division) },
    ofConsumers && { id: "kind", head: "Kind", minor: true, value: (row) => names.consumer(row.labels).kind, cell: (row) => names.consumer(row.labels).kind },
    view.node === "" && division !== "node" && rows.some((row) => row.labels.node !== undefined)
      && { id: "node", head: "Node", minor: true, value: (row) => row.labels.node, cell: (row) => names.node(row.labels.node) },
    { id: "energy", head: "Energy", numeric: true, value: (row) => row.joules, cell: (row) => bar(inOneUnit(row.joules), row.joules / most, format.joules(row.joules)) },
    { id: "power", head: "Mean power", numeric: true, value: (row) => row.joules, cell: (row) => format.power(row.joules / seconds) },
    { id: "share", head: "Share", numeric: true, minor: true, value: (row) => row.joules, cell: (row) => format.share(row.joules / all) },
    { id: "quality", head: "Known", minor: true, value: (row) => row.quality, cell: (row) => row.quality ?? "" },
  ].filter(Boolean);
  const line = (name, joules) => ({ name, energy: inOneUnit(joules), power: format.power(joules / seconds), share: format.share(joules / all) });
  const left = all - total.joules;
  const foot = [
    others.rows > 0 && line(`${format.count(others.rows)} others`, others.joules),
    left > all / 1e4 && line(subject(view)?.kind !== "cgroup" ? "idle or nobody's" : division === "cgroup" ? "the group itself" : "processes that were not seen", left),
    line("Total", all),
  ].filter(Boolean);
  return table({ caption, columns, rows, order: "-energy", foot });
}

function title({ labels }, division) {
  if (division === "node") return { text: names.node(labels.node), detail: "" };
  if (division === "gpu") return { text: labels.resource_id, detail: "" };
  return names.consumer(labels);
}

function first(row, view, division) {
  const { labels } = row;
  const { text, detail } = title(row, division);
  const further = { hide: "", sort: "", n: "10", split: "domain", node: labels.node ?? view.node };
  if (division === "node") return rowLink(link({ ...further, rank: "cgroup" }), text, detail);
  if (division === "gpu") return rowLink(link({ ...further, of: `gpu:${labels.resource_id}` }), text, detail);
  if (!labels.consumer_id) return el("span", {}, text, detail && el("small", {}, detail));
  return rowLink(link({ ...further, of: `${labels.consumer_kind}:${labels.consumer_id}` }), text, detail);
}
