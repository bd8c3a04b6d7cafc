// Questions about who used energy.

import { get } from "./api.js";
import { keyOf } from "./names.js";
import { selection, subject } from "./state.js";

const AT_ONCE = 20;

/** What selects the consumers that are to be told apart: all, those below a group, or those of a GPU; null if nobody is. */
export function inside(view) {
  const { from, to, node } = selection(view);
  const of = subject(view);
  if (of === null) return { from, to, node, consumer_kind: view.rank === "process" ? "process" : undefined };
  if (of.kind === "gpu") return { ...selection(view), consumer_kind: "process" };
  if (of.kind !== "cgroup") return null;
  const path = of.id.replace(/\/$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return { from, to, node, consumer_kind: "cgroup", match: `consumer_id=~^${path}/.+$` };
}

/** The largest consumers, under their names. */
export async function largest(view, n, signal) {
  const asked = inside(view);
  if (asked === null) return { rows: [], others: { joules: 0, rows: 0 }, total: { joules: 0 } };
  const top = await get("top", { ...asked, by: "consumer", n }, signal);
  return { ...top, rows: await named(top.rows, view, signal) };
}

/** Rows with what is known about their consumers among their labels. */
export async function named(rows, view, signal) {
  const known = new Map();
  for (const kind of new Set(rows.map((row) => row.labels.consumer_kind))) {
    const ids = rows.filter((row) => row.labels.consumer_kind === kind && !hasName(row.labels)).map((row) => row.labels.consumer_id);
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const asked = { from: view.from, to: view.to, node: view.node, consumer_kind: kind, consumer_id: ids.slice(at, at + AT_ONCE), limit: 1000 };
      for (const one of (await get("consumers", asked, signal)).consumers) known.set(`${one.node}/${one.kind}/${one.id}`, one);
    }
  }
  return rows.map((row) => {
    const { node, consumer_kind: kind, consumer_id: id } = row.labels;
    const one = known.get(`${node}/${kind}/${id}`) ?? (node === undefined ? [...known.values()].find((one) => one.kind === kind && one.id === id) : undefined);
    return { ...row, key: keyOf(row.labels), labels: { ...one?.labels, ...row.labels } };
  });
}

function hasName({ consumer_kind: kind, consumer_id: id, part, ...labels }) {
  return id === undefined || part !== undefined || ["name", "process_name", "job_id", "container"].some((label) => label in labels);
}
