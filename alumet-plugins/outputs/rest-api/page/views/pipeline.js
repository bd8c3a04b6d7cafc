// The health of the pipeline behind this page.

import { get } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { empty, section } from "../section.js";
import { table } from "../table.js";

export const sections = () => [section("Pipeline", (_, signal) => get("status", {}, signal), draw)];

function draw(_, status) {
  const { problems = [], outputs = [], elements = [], sources = [], store } = status;
  const source = new Map(sources.map((one) => [one.name, one]));
  return [
    problems.length > 0
      ? el("ul", { class: "problems" }, problems.map((problem) => el("li", {}, problem)))
      : el("p", { class: "fine" }, "Everything works."),
    el("dl", { class: "tiles" },
      tile("Version", status.version),
      tile("Running for", status.started_at && format.duration(Date.now() - status.started_at), format.time(status.started_at)),
      store && tile("Stored series", format.count(store.series)),
      store && tile("Stored samples", format.count(store.samples)),
      store && tile("Store", format.bytes(store.bytes))),
    el("h3", {}, "Outputs"),
    outputs.length === 0 ? empty("There is no output.", "Enable one, such as store.") : outputTable(outputs),
    el("h3", {}, "Elements"),
    elements.length === 0 ? empty("There are no elements.", "Enable a source or a relay server.") : elementTable(elements.map((one) => ({ ...source.get(one.kind === "source" ? one.name : undefined), ...one }))),
  ];
}

const tile = (label, value, title) => el("div", {}, el("dt", {}, label), el("dd", { title }, value ?? "–"));

const dropped = (output) => Object.values(output.dropped ?? {}).reduce((a, b) => a + b, 0);

function outputTable(rows) {
  const number = (id, head, minor) => ({ id, head, numeric: true, minor, value: (row) => row[id], cell: (row) => format.count(row[id]) });
  return table({
    caption: "Samples by output",
    order: "name",
    rows,
    columns: [
      { id: "name", head: "Output", value: (row) => row.name, cell: (row) => row.name },
      number("offered", "Offered", true),
      number("delivered", "Delivered", true),
      { ...number("buffered", "Waiting"), cell: (row) => [format.count(row.buffered), row.spooled > 0 && el("small", {}, `${format.count(row.spooled)} on disk`)] },
      {
        id: "dropped",
        head: "Dropped",
        numeric: true,
        value: dropped,
        cell: (row) => el("span", { class: dropped(row) > 0 ? "bad" : null }, format.count(dropped(row)),
          Object.entries(row.dropped ?? {}).filter(([, count]) => count > 0).map(([reason, count]) => el("small", {}, `${reason.replaceAll("_", " ")}: ${format.count(count)}`))),
      },
      { id: "lag", head: "Lag", numeric: true, value: (row) => row.lag_ms, cell: (row) => format.duration(row.lag_ms ?? NaN) },
    ],
  });
}

function elementTable(rows) {
  return table({
    caption: "Elements of the pipeline",
    order: "element",
    rows,
    columns: [
      { id: "element", head: "Element", value: (row) => row.name, cell: (row) => row.name },
      { id: "kind", head: "Kind", minor: true, value: (row) => row.kind, cell: (row) => row.kind },
      { id: "state", head: "State", value: (row) => row.state, cell: (row) => el("span", { class: `state ${row.state === "running" ? "good" : "bad"}` }, row.state) },
      { id: "interval", head: "Interval", numeric: true, minor: true, value: (row) => row.interval_ms, cell: (row) => (row.interval_ms ? format.duration(row.interval_ms) : "") },
      { id: "samples", head: "Samples made", numeric: true, minor: true, value: (row) => row.samples, cell: (row) => (row.samples === undefined ? "" : format.count(row.samples)) },
      { id: "missed", head: "Ticks missed", numeric: true, minor: true, value: (row) => row.missed_ticks, cell: (row) => (row.missed_ticks === undefined ? "" : format.count(row.missed_ticks)) },
      { id: "problem", head: "Problem", value: (row) => row.problem, cell: (row) => row.problem ?? "" },
    ],
  });
}
