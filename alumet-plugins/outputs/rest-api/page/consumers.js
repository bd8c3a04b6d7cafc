// Questions about who used energy.

import { get } from "./api.js";
import { selection, subject } from "./state.js";

/** What selects the consumers that are to be told apart: all, those below a group, or those of a GPU; null if nobody is. */
function inside(view) {
  const { from, to, node } = selection(view);
  const of = subject(view);
  // Idle and unattributed energy is that of the machine.
  if (of === null) return view.rank === "process" ? { from, to, node, consumer_kind: "process" } : { from, to, node, match: "consumer_kind!=local_machine" };
  if (of.kind === "gpu") return { ...selection(view), consumer_kind: "process" };
  if (of.kind !== "cgroup") return null;
  const path = of.id.replace(/\/$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return { from, to, node, consumer_kind: "cgroup", match: `consumer_id=~${path}/.+` };
}

/** The largest consumers. */
export async function largest(view, n, signal) {
  const asked = inside(view);
  if (asked === null) return { rows: [], others: { joules: 0, rows: 0 }, total: { joules: 0 } };
  return get("top", { ...asked, by: "consumer", n }, signal);
}

/** Whom a row is about. */
export const identity = ({ node = "", consumer_kind: kind, consumer_id: id }) => `${node} ${kind}:${id}`;
