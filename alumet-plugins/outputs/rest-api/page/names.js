// What consumers, resources and parts of the machine are called.

import { subject } from "./state.js";

/** What kind of consumer this is, what it is called, and what else tells it from others. */
export function consumer(labels) {
  const { consumer_kind: kind, consumer_id: id = "" } = labels;
  if (kind === "process") {
    const name = labels.name ?? labels.process_name ?? labels.cmdline;
    return name === undefined ? { kind, text: `process ${id}`, detail: "" } : { kind, text: name, detail: `pid ${id}` };
  }
  if (kind !== "cgroup") return { kind: kind ?? "", text: kind === "local_machine" ? "the machine" : id, detail: "" };
  if (labels.job_id !== undefined) {
    const step = labels.step === undefined ? "" : ` step ${labels.step}`;
    return { kind: "job", text: `job ${labels.job_id}${step}`, detail: labels.job_name ?? labels.account ?? "" };
  }
  if (labels.namespace !== undefined && labels.name !== undefined) {
    return labels.container === undefined
      ? { kind: "pod", text: labels.name, detail: labels.namespace }
      : { kind: "container", text: labels.container, detail: `${labels.namespace}/${labels.name}` };
  }
  if (labels.container !== undefined) return { kind: "container", text: labels.container, detail: labels.image ?? "" };
  const last = id.split("/").filter(Boolean).at(-1);
  return { kind: "group", text: last ?? "all groups", detail: id };
}

/** A part of the machine that uses energy, such as `package_total`. */
export function domain({ resource_kind: resource, domain, part }) {
  if (part) return part;
  if (resource === "gpu" || resource === "gpu_partition") return "GPUs";
  if (!domain && resource === "local_machine") return "machine";
  return (domain || resource || "all").replace(/_total$/, "").replaceAll("_", " ");
}

export const node = (name) => (name === undefined || name === "" ? "this machine" : name);

/** How the present subject is called, if more is known about it than its id. */
export function subjectName(view, labels = {}) {
  const of = subject(view);
  if (of.kind === "gpu") return `GPU ${of.id}`;
  const { kind, text } = consumer({ ...labels, consumer_kind: of.kind, consumer_id: of.id });
  return kind === "" || text.startsWith(kind) ? text : `${kind} ${text}`;
}
