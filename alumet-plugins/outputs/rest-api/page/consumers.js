// Questions about who used energy.

import { get } from "./api.js";
import { selection, subject } from "./state.js";

/** In which order it is tried to divide what is looked at; groups that contain no others have processes. */
function divisions(view) {
  const of = subject(view);
  if (of === null) return [view.rank];
  if (of.kind === "gpu") return ["process"];
  if (of.kind === "process") return ["gpu"];
  if (of.kind !== "cgroup") return [];
  return view.rank === "process" || view.rank === "gpu" ? [view.rank] : ["cgroup", "process"];
}

/** What selects all that something is divided into. */
function parts(view, division) {
  const { from, to, node } = selection(view);
  const of = subject(view);
  // Idle and unattributed energy is that of the machine.
  if (of === null) return division === "process" ? { from, to, node, consumer_kind: "process" } : { from, to, node, match: "consumer_kind!=local_machine" };
  if (of.kind === "gpu") return { ...selection(view), consumer_kind: "process" };
  if (of.kind === "process") return { ...selection(view), resource_kind: "gpu" };
  const path = of.id.replace(/\/$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (division === "cgroup") return { from, to, node, consumer_kind: "cgroup", match: `consumer_id=~${path}/.+` };
  // A process without the label is in no group that is known.
  const processes = { from, to, node, consumer_kind: "process", match: `cgroup=~${path}${path === "" ? "/.*" : "(/.*)?"}` };
  return division === "gpu" ? { ...processes, resource_kind: "gpu" } : processes;
}

/** The largest parts of what is looked at, with what `division` they are and what selects them all. */
export async function largest(view, n, signal) {
  let found = { rows: [], others: { joules: 0, rows: 0 }, total: { joules: 0 } };
  for (const division of divisions(view)) {
    const selected = parts(view, division);
    const by = division === "gpu" ? "resource" : "consumer";
    found = { ...await get("top", { ...selected, by, n }, signal), division, selected };
    if (found.rows.length > 0) break;
  }
  return found;
}

/** The joules of GPUs that the processes of a group used, where none are told of the group itself; else 0. */
export async function gpusBesides(view, signal) {
  if (subject(view)?.kind !== "cgroup") return 0;
  const [own, processes] = await Promise.all([
    get("energy", { ...selection(view), resource_kind: "gpu" }, signal),
    get("energy", parts(view, "gpu"), signal),
  ]);
  return own.joules > 0 ? 0 : processes.joules;
}

/** Whom a row is about. */
export const identity = ({ node = "", consumer_kind: kind, consumer_id: id }) => `${node} ${kind}:${id}`;

/** A control group and all that contain it, the outermost first. */
export function groupsAround(path) {
  const names = path.split("/").filter(Boolean);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}
