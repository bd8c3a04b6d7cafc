// The nodes and their state.

import { get } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import * as names from "../names.js";
import { empty, section } from "../section.js";
import { link, selection } from "../state.js";
import { bar, rowLink, table } from "../table.js";

export const sections = () => [section("Nodes", async (view, signal) => {
  const [{ nodes }, energy] = await Promise.all([
    get("nodes", {}, signal),
    get("energy", { ...selection({ ...view, of: "" }), by: "node" }, signal),
  ]);
  const joules = new Map(energy.rows.map((row) => [row.labels.node ?? "", row.joules]));
  const rows = nodes.filter((one) => view.node === "" || one.node === view.node).map((one) => ({ ...one, joules: joules.get(one.node) }));
  return { rows, seconds: (energy.to - energy.from) / 1000 };
}, draw)];

function draw(view, { rows, seconds }) {
  if (rows.length === 0) {
    return empty("No node has sent anything yet.", "Give an agent the output relay-client and this server's address, and start it.");
  }
  const inOneUnit = format.energies(Math.max(...rows.map((row) => row.joules ?? 0)));
  const most = Math.max(...rows.map((row) => row.joules ?? 0));
  return table({
    caption: "Nodes",
    order: "node",
    rows,
    columns: [
      { id: "node", head: "Node", value: (row) => row.node, cell: (row) => rowLink(link({ tab: "energy", node: row.node, rank: "cgroup", sort: "" }), names.node(row.node)) },
      { id: "state", head: "State", value: (row) => row.state, cell: (row) => el("span", { class: `state ${row.state === "live" ? "good" : "bad"}` }, row.state) },
      { id: "last", head: "Last sample", numeric: true, value: (row) => row.last_at, cell: (row) => format.time(row.last_at) },
      { id: "first", head: "First sample", numeric: true, minor: true, value: (row) => row.first_at, cell: (row) => format.time(row.first_at) },
      { id: "series", head: "Series", numeric: true, minor: true, value: (row) => row.series, cell: (row) => format.count(row.series) },
      { id: "energy", head: "Energy", numeric: true, value: (row) => row.joules, cell: (row) => bar(inOneUnit(row.joules), row.joules / most, format.joules(row.joules)) },
      { id: "power", head: "Mean power", numeric: true, value: (row) => row.joules, cell: (row) => format.power(row.joules / seconds) },
    ],
  });
}
