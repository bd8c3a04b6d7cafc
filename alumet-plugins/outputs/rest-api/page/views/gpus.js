// All GPUs with what they do now.

import { get } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import * as names from "../names.js";
import { empty, section } from "../section.js";
import { link, selection } from "../state.js";
import { bar, rowLink, table } from "../table.js";

const MEBI = 2 ** 20;

// Where each column comes from: a metric, labels that its series must have, and what one of its unit is in %, W, bytes or °C
// if the unit does not say it. Those of DCGM come from `nvml` and from replayed files.
const READINGS = [
  ["utilization", "nvml_gpu_utilization"],
  ["utilization", "amd_gpu_activity_usage", { activity_type: "graphic_core" }],
  ["utilization", "DCGM_FI_DEV_GPU_UTIL"],
  ["power", "nvml_instant_power"],
  ["power", "amd_gpu_power_consumption"],
  ["power", "intel_gpu_power"],
  ["power", "DCGM_FI_DEV_POWER_USAGE"],
  ["temperature", "nvml_temperature_gpu"],
  ["temperature", "amd_gpu_temperature"],
  ["temperature", "intel_gpu_temperature"],
  ["temperature", "DCGM_FI_DEV_GPU_TEMP"],
  ["used", "nvml_gpu_memory_info", { kind: "used" }],
  ["used", "amd_gpu_memory_usage", { memory_type: "memory_video_computing" }],
  ["used", "DCGM_FI_DEV_FB_USED", {}, MEBI],
  ["total", "nvml_gpu_memory_info", { kind: "total" }],
  ["free", "DCGM_FI_DEV_FB_FREE", {}, MEBI],
];

// UCUM codes.
const UNITS = { mW: 1e-3, uW: 1e-6, kW: 1e3, KiBy: 2 ** 10, MiBy: MEBI, GiBy: 2 ** 30 };

export const sections = () => [section("GPUs", async (view, signal) => {
  const { from, to, node } = selection({ ...view, of: "" });
  const gpu = { from, to, node, resource_kind: "gpu" };
  const [{ resources, total }, values, energy] = await Promise.all([
    get("resources", { ...gpu, limit: 1000 }, signal),
    get("query", {
      ...gpu,
      metric: [...new Set(READINGS.map(([, metric]) => metric))],
      aggregate: "last",
      combine: "max",
      by: "metric,node,resource_id,kind,activity_type,memory_type",
    }, signal),
    get("energy", { ...gpu, by: "node,resource_id" }, signal),
  ]);
  const rows = new Map(resources.map((one) => [`${one.node} ${one.id}`, { node: one.node, id: one.id, labels: one.labels ?? {} }]));
  const rowOf = (labels) => rows.get(`${labels.node ?? ""} ${labels.resource_id}`);
  for (const { labels, unit, points } of values.rows) {
    const reading = READINGS.find(([, metric, having = {}]) => metric === labels.metric && Object.entries(having).every(([key, value]) => labels[key] === value));
    const row = rowOf(labels);
    const value = points.at(-1)?.[1];
    if (reading !== undefined && row !== undefined && Number.isFinite(value)) row[reading[0]] ??= value * (reading[3] ?? UNITS[unit] ?? 1);
  }
  for (const { labels, joules } of energy.rows) Object.assign(rowOf(labels) ?? {}, { joules });
  for (const row of rows.values()) row.total ??= row.free === undefined ? undefined : row.used + row.free;
  return { rows: [...rows.values()], total };
}, draw)];

function draw(view, { rows, total }) {
  if (rows.length === 0) {
    return empty("No GPU has sent anything in this time.", "Enable nvml, amd-gpu or intel-gpu on agents with GPUs, or choose a longer time.");
  }
  const inOneUnit = format.energies(Math.max(...rows.map((row) => row.joules ?? 0)));
  const most = Math.max(...rows.map((row) => row.joules ?? 0));
  const shown = table({
    caption: "GPUs",
    order: "name",
    rows,
    columns: [
      { id: "name", head: "GPU", value: (row) => `${row.node} ${row.id}`, cell: (row) => rowLink(link({ tab: "energy", node: row.node, of: `gpu:${row.id}`, sort: "", hide: "" }), row.labels.device ?? row.id, row.labels.model ?? row.labels.modelName) },
      { id: "host", head: "Host", minor: true, value: (row) => row.node, cell: (row) => names.node(row.node) },
      { id: "utilization", head: "Use", numeric: true, value: (row) => row.utilization, cell: (row) => bar(format.number(row.utilization, "%"), row.utilization / 100) },
      { id: "power", head: "Power", numeric: true, value: (row) => row.power, cell: (row) => format.power(row.power) },
      { id: "memory", head: "Memory", numeric: true, value: (row) => row.used, cell: (row) => bar([format.bytes(row.used), row.total && el("small", { class: "minor" }, `of ${format.bytes(row.total)}`)], row.used / row.total) },
      { id: "temperature", head: "Temp.", numeric: true, value: (row) => row.temperature, cell: (row) => format.number(row.temperature, "°C") },
      { id: "energy", head: "Energy", numeric: true, value: (row) => row.joules, cell: (row) => bar(inOneUnit(row.joules), row.joules / most, format.joules(row.joules)) },
    ],
  });
  return total > rows.length ? [shown, el("p", {}, `${rows.length} of ${total} GPUs are shown; choose a node to see all of its.`)] : shown;
}
