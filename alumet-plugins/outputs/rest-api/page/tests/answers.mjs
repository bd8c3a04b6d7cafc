// What the API would answer for a small cluster: three nodes, forty pods, eight GPUs, a day that repeats.

const HOUR = 36e5;
const NODES = ["cpu-01", "cpu-02", "gpu-01"];
const APPS = ["checkout", "catalog", "search", "ingest", "billing", "gateway", "frontend", "train-llm", "etl", "cache"];

/** A number between 0 and 1 that is always the same for the same text. */
function chance(text) {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}

const noise = (name, at) => chance(`${name} ${Math.floor(at / 60000)}`);
const day = (at, shift) => (1 + Math.sin(((at / HOUR + shift) / 24) * 2 * Math.PI)) / 2;

const PODS = Array.from({ length: 40 }, (_, index) => {
  const app = APPS[index % APPS.length];
  const uid = `${(0x5f3a1c00 + index * 7919).toString(16)}-91d2-4c0b-8f6e-2b7a50e1${String(index).padStart(4, "0")}`;
  return {
    node: NODES[app === "train-llm" ? 2 : index % 3],
    id: `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll("-", "_")}.slice`,
    labels: { uid, name: `${app}-${(0x9c4f + index * 331).toString(16)}-x${index}`, namespace: app === "train-llm" ? "research" : index % 4 === 0 ? "platform" : "shop" },
    watts: (at) => (1.5 + 26 * chance(app + index) ** 2) * (0.3 + day(at, chance(app) * 6)) * (0.8 + 0.4 * noise(app + index, at)),
  };
});
const PARTS = PODS.slice(0, 10).flatMap((pod) => ["app", "sidecar"].map((container, index) => ({
  node: pod.node,
  id: `${pod.id}/cri-containerd-${container}.scope`,
  labels: { ...pod.labels, container },
  watts: (at) => pod.watts(at) * (index === 0 ? 0.85 : 0.1),
})));
/** Each third pod of a node has processes, in its first container if it has any. */
function groupOf(index) {
  const pods = PODS.filter((pod) => pod.node === NODES[index % 3]);
  const pod = pods[(index * 3) % pods.length];
  return PARTS.find((part) => part.id.startsWith(pod.id))?.id ?? pod.id;
}
const PROCESSES = Array.from({ length: 60 }, (_, index) => ({
  node: NODES[index % 3],
  id: String(1200 + index * 37),
  labels: { name: ["python3", "java", "node", "postgres", "nginx", "rustc"][index % 6], cmdline: "…", cgroup: groupOf(index) },
  watts: (at) => 20 * chance(`process ${index}`) ** 3 * (0.4 + day(at, 3)) * (0.7 + 0.6 * noise(`process ${index}`, at)),
}));
const GPUS = Array.from({ length: 8 }, (_, index) => ({
  node: "gpu-01",
  id: `00000000:${(0x1b + index * 0x12).toString(16).toUpperCase()}:00.0`,
  labels: { model: "NVIDIA H100 80GB HBM3", index: String(index) },
  use: (at) => (index === 5 ? 0 : Math.min(100, 100 * day(at, index) * (0.7 + 0.4 * noise(`gpu ${index}`, at)))),
}));
const gpuWatts = (gpu) => (at) => 72 + 6.1 * gpu.use(at);
const cpuWatts = (node) => (at) => 55 + PODS.filter((pod) => pod.node === node).reduce((sum, pod) => sum + pod.watts(at), 0);

/** Parts of the machines: each joule is in one of them. */
const MACHINE = [
  ...NODES.flatMap((node) => [
    { node, labels: { resource_kind: "cpu_package", domain: "package_total" }, quality: "measured", watts: (at) => cpuWatts(node)(at) * 0.82 },
    { node, labels: { resource_kind: "dram", domain: "dram_total" }, quality: "measured", watts: (at) => cpuWatts(node)(at) * 0.18 },
  ]),
  ...GPUS.map((gpu) => ({ node: gpu.node, labels: { resource_kind: "gpu", resource_id: gpu.id }, quality: "measured", watts: gpuWatts(gpu) })),
];
const ofConsumers = (list, kind) => list.map((one) => ({ node: one.node, labels: { resource_kind: "local_machine", consumer_kind: kind, consumer_id: one.id }, attributes: one.labels, quality: "modelled", watts: one.watts }));
const TRAINING = PODS.filter((pod) => pod.node === "gpu-01" && pod.labels.namespace === "research");
const ON_GPU = GPUS.filter((_, index) => index !== 5).map((gpu, index) => ({
  node: gpu.node, labels: { resource_kind: "gpu", resource_id: gpu.id, consumer_kind: "process", consumer_id: String(1200 + index * 37) }, attributes: { process_name: "python3", cgroup: TRAINING[index % TRAINING.length].id }, quality: "modelled", watts: (at) => 6 * gpu.use(at),
}));
const OF_PODS = GPUS.map((gpu, index) => {
  const pod = TRAINING[index % TRAINING.length];
  return { node: gpu.node, labels: { resource_kind: "gpu", resource_id: gpu.id, consumer_kind: "cgroup", consumer_id: pod.id }, attributes: pod.labels, quality: "modelled", watts: (at) => 6 * gpu.use(at) };
});
const IDLE = NODES.map((node) => ({ node, labels: { resource_kind: "local_machine", consumer_kind: "local_machine", consumer_id: "", part: "idle" }, quality: "modelled", watts: () => 55 }));
const CONSUMERS = [...ofConsumers(PODS, "cgroup"), ...ofConsumers(PARTS, "cgroup"), ...ofConsumers(PROCESSES, "process"), ...ON_GPU, ...OF_PODS, ...IDLE];

function instant(text, now) {
  const [, amount, unit] = /^now(?:-(\d+)(s|m|h|d))?$/.exec(text) ?? [];
  if (text.startsWith("now")) return now - (amount ? amount * { s: 1e3, m: 6e4, h: HOUR, d: 24 * HOUR }[unit] : 0);
  return Date.parse(text);
}

/** The energy of one series: by step, and in sum. */
function used(watts, from, to, step) {
  const points = [];
  for (let at = Math.floor(from / step) * step; at < to; at += step) {
    const length = Math.min(at + step, to) - Math.max(at, from);
    points.push([at, (watts(at + step / 2) * length) / 1000]);
  }
  return points;
}

function energyRows(list, by, { from, to, step }) {
  const rows = new Map();
  for (const one of list) {
    const all = { node: one.node, ...one.labels };
    const labels = { ...Object.fromEntries(by.map((label) => [label, all[label] ?? ""])), ...(all.part && { part: all.part }) };
    const key = JSON.stringify(labels);
    const points = used(one.watts, step ? Math.floor(from / step) * step : from, to, step ?? Math.max((to - from) / 60, 1000));
    const row = rows.get(key) ?? { labels: { ...labels, ...(by.includes("consumer_id") && one.attributes) }, joules: 0, quality: one.quality, metrics: ["…"], points: points.map(([at]) => [at, 0]) };
    points.forEach(([, joules], index) => { row.points[index][1] += joules; row.joules += joules; });
    rows.set(key, row);
  }
  return [...rows.values()].map(({ points, ...row }) => (step ? { ...row, points } : row)).sort((a, b) => b.joules - a.joules);
}

const LABELS_OF = { consumer: ["node", "consumer_kind", "consumer_id"], resource: ["node", "resource_kind", "resource_id"] };

/** The body of the answer to a URL, or `null` if there is nothing there. */
export function answer(url, now = Date.now()) {
  const query = url.searchParams;
  const from = instant(query.get("from") ?? "now-1h", now);
  const to = instant(query.get("to") ?? "now", now);
  const [, amount, unit] = /^(\d+)(s|m|h|d)$/.exec(query.get("step") ?? "") ?? [];
  const step = amount && amount * { s: 1e3, m: 6e4, h: HOUR, d: 24 * HOUR }[unit];
  const one = (label) => query.getAll(label);
  const asked = ["node", "resource_kind", "resource_id", "consumer_kind", "consumer_id"].filter((label) => query.has(label));
  const [, label, operator, value] = /^(\w+)(=~|!=)(.*)$/.exec(query.get("match") ?? "") ?? [];
  const matches = (labels) => operator === undefined || (operator === "!=" ? labels[label] !== value : new RegExp(`^(${value})$`).test(labels[label] ?? ""));
  const fits = (row) => asked.every((label) => one(label).includes({ node: row.node, ...row.labels }[label])) && matches({ ...row.labels, ...row.attributes });
  const by = (query.get("by") ?? "").split(",").filter(Boolean).flatMap((label) => LABELS_OF[label] ?? [label]);
  const isOfConsumers = by.includes("consumer_id") || asked.includes("consumer_kind");
  const groups = (list) => (query.has("consumer_kind") ? list : list.filter((row) => row.labels.part || row.labels.consumer_kind === "cgroup" && PODS.some((pod) => pod.id === row.labels.consumer_id)));
  // The first interval begins, and the last one ends, at a multiple of the step.
  const bounds = step ? { from: Math.floor(from / step) * step, to: Math.ceil(to / step) * step } : { from, to };
  const chosen = (isOfConsumers ? groups(CONSUMERS) : MACHINE).filter(fits);
  const total = (rows) => rows.reduce((sum, row) => sum + row.joules, 0);

  switch (url.pathname.replace(/^.*\/api\/v1\//, "")) {
    case "nodes":
      return { nodes: NODES.map((node, index) => ({ node, first_at: now - 41 * 24 * HOUR, last_at: index === 1 ? now - 11 * 60000 : now - 900, series: [812, 640, 1377][index], state: index === 1 ? "silent" : "live" })) };
    case "energy": {
      const rows = energyRows(chosen, by, { from, to, step });
      return { ...bounds, joules: total(rows), rows };
    }
    case "top": {
      const rows = energyRows(chosen, by, { from, to }).map(({ metrics, ...row }) => ({ ...row, watts: row.joules / ((to - from) / 1000) }));
      const others = rows.slice(Number(query.get("n") ?? 10));
      return { from, to, rows: rows.slice(0, Number(query.get("n") ?? 10)), others: { joules: total(others), rows: others.length }, total: { joules: total(rows) } };
    }
    case "consumers": {
      const all = [...PODS.map((pod) => ["cgroup", pod]), ...PARTS.map((part) => ["cgroup", part]), ...PROCESSES.map((process) => ["process", process])];
      const consumers = all.filter(([kind, { node, id }]) => fits({ node, labels: { consumer_kind: kind, consumer_id: id } }))
        .map(([kind, { node, id, labels }]) => ({ node, kind, id, series: 4, last_at: now, labels }));
      return { consumers, total: consumers.length, pagination: { limit: 1000, offset: 0, has_next: false } };
    }
    case "resources": {
      const resources = GPUS.filter((gpu) => fits({ node: gpu.node, labels: { resource_kind: "gpu", resource_id: gpu.id } })).map(({ node, id, labels }) => ({ node, kind: "gpu", id, series: 30, last_at: now, labels }));
      return { resources, total: resources.length, pagination: { limit: 1000, offset: 0, has_next: false } };
    }
    case "query": {
      const at = Math.min(now, to);
      const rows = GPUS.filter((gpu) => fits({ node: gpu.node, labels: { resource_kind: "gpu", resource_id: gpu.id } })).flatMap((gpu) => [
        ["nvml_gpu_utilization", "%", Math.round(gpu.use(at))],
        ["nvml_instant_power", "mW", Math.round(gpuWatts(gpu)(at) * 1000)],
        ["nvml_temperature_gpu", "Cel", Math.round(31 + gpu.use(at) * 0.44)],
        ["nvml_gpu_memory_info", "By", Math.round(gpu.use(at) * 7.4e8), { kind: "used" }],
        ["nvml_gpu_memory_info", "By", 85520809984, { kind: "total" }],
      ].map(([metric, unit, value, more]) => ({ labels: { metric, node: gpu.node, resource_id: gpu.id, ...more }, unit, quality: "measured", series: 1, points: [[at, value]] })));
      return { from, to, step_ms: 0, rows };
    }
    case "status":
      return {
        version: "0.1.0", started_at: now - 3 * 24 * HOUR,
        elements: [
          { name: "relay-server/server", kind: "source", state: "running", problem: null },
          { name: "energy-attribution/share", kind: "transform", state: "running", problem: null },
          { name: "store/store", kind: "output", state: "running", problem: null },
          { name: "influxdb/write", kind: "output", state: "failing", problem: "http://influx.lan:8086 refuses the connection; is the server running?" },
        ],
        outputs: [
          { name: "store/store", offered: 48211034, delivered: 48210877, buffered: 157, dropped: {}, lag_ms: 412 },
          { name: "influxdb/write", offered: 48211034, delivered: 47902011, buffered: 308823, spooled: 308000, dropped: { rejected: 200, spool_full: 0 }, lag_ms: 661000 },
        ],
        sources: [{ name: "relay-server/server", interval_ms: null, samples: 48211034, missed_ticks: 0, failures: 0 }], problems: ["output influxdb/write is failing: http://influx.lan:8086 refuses the connection; is the server running?"],
        store: { series: 2829, samples: 418822104, bytes: 702334512 },
      };
    default:
      return null;
  }
}
