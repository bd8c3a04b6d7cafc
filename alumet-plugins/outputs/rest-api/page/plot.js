// Power over time as stacked areas, with a legend that is a table.
/* global uPlot */

import { COLORS, REST, colorsOf } from "./colors.js";
import { el } from "./dom.js";
import * as format from "./format.js";
import { between, current, go } from "./state.js";

// What was used last is told by samples that are still to come.
const settling = (length) => Math.min(Math.max(length, 5000), 30000);

/**
 * Rows of energy by step, whose last ends at `end`, as watts on one grid of times. A row is `{ name, id, joules, points }`; those
 * beyond the number of colours become one.
 */
export function series({ from, to, end, rows }, step) {
  const length = step * 1000;
  const first = rows.find((row) => row.points.length > 0)?.points[0][0] ?? 0;
  const offset = ((first % length) + length) % length;
  const times = [];
  const settled = Math.min(to, end - 1, Date.now() - settling(length));
  // The first sample may tell of a time before the range, and what tells of its end may come after it: the first and the last
  // interval can have too much and too little.
  for (let at = (Math.ceil((from - offset) / length) + 1) * length + offset; at + length <= settled; at += length) times.push(at);
  const place = new Map(times.map((at, index) => [at, index]));
  const lines = rows.map(({ points, ...row }) => {
    const watts = times.map(() => null);
    for (const [at, joules] of points) {
      if (place.has(at) && joules !== null) watts[place.get(at)] = joules / step;
    }
    return { ...row, watts };
  });
  return { from, to, step, times, lines: joined(lines, times) };
}

function joined(lines, times) {
  const ordered = [...lines].sort((a, b) => (a.rest ?? false) - (b.rest ?? false) || b.joules - a.joules);
  if (ordered.length <= COLORS) return ordered;
  const rest = ordered.splice(COLORS - 1);
  const watts = times.map((_, at) => sum(rest.map((line) => line.watts[at])));
  return [...ordered, { id: "rest", name: `${rest.length} others`, rest: true, joules: sum(rest.map((line) => line.joules)), watts }];
}

/** The sum of what is there; null if nothing is. */
export function sum(values) {
  const there = values.filter((value) => value !== null && value !== undefined);
  return there.length === 0 ? null : there.reduce((a, b) => a + b, 0);
}

/** A plot that is made once and shown with new data again and again. */
export function stackedPlot() {
  const canvas = el("div", { class: "plot", tabindex: "0", role: "application", "aria-roledescription": "plot", onkeydown: (event) => walk(event) });
  const legend = el("div", { class: "legend" });
  const values = el("details", { class: "values", ontoggle: () => drawValues() }, el("summary", {}, "All values as a table"));
  const root = el("figure", {}, canvas, legend, values);
  let plot;
  let shape = "";
  let data;
  let visible = [];
  let cursor = null;

  new ResizeObserver(() => plot?.setSize(size())).observe(canvas);
  const size = () => ({ width: Math.max(canvas.clientWidth, 200), height: window.innerWidth < 600 ? 210 : 290 });

  /** Shows what `series` gave; `group` is what the rows are, for their colours. */
  function show(next, group) {
    data = next;
    const colors = colorsOf(group, data.lines.filter((line) => !line.rest).map((line) => line.id));
    for (const line of data.lines) line.color = line.rest ? REST : colors.get(line.id);
    const hidden = hiddenIds();
    visible = data.lines.filter((line) => !hidden.has(line.id));
    const theme = getComputedStyle(canvas);
    const look = JSON.stringify([visible.map((line) => line.color), theme.color, theme.borderTopColor, theme.backgroundColor]);
    if (look !== shape || plot === undefined) {
      plot?.destroy();
      plot = new uPlot(options(theme), columns(), canvas);
      shape = look;
    } else {
      plot.setData(columns());
    }
    drawLegend();
    drawValues();
    const { name } = data.lines[0] ?? {};
    canvas.setAttribute("aria-label", `Power over time from ${format.time(data.from)} to ${format.time(data.to)}` +
      `${name === undefined ? "" : `, most by ${name}`}. Left and right arrow keys read values.`);
  }

  // Areas are drawn from the top of the stack down, each over the one before. A step lasts until its end, so the last value
  // comes twice.
  function columns() {
    const heights = [];
    let below = data.times.map(() => null);
    for (const line of visible) {
      below = below.map((height, at) => sum([height, line.watts[at]]));
      heights.unshift(below);
    }
    const end = data.times.length > 0 ? [data.times.at(-1) + data.step * 1000] : [];
    const twice = (values) => (values.length > 0 ? [...values, values.at(-1)] : values);
    return [[...data.times, ...end].map((at) => at / 1000), ...heights.map(twice)];
  }

  function options(theme) {
    const axis = { stroke: theme.color, grid: { stroke: theme.borderTopColor, width: 1 }, ticks: { show: false }, font: `12px ${theme.fontFamily}` };
    return {
      ...size(),
      padding: [10, 14, 0, 0],
      legend: { show: false },
      drawOrder: ["series", "axes"],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
      scales: { x: { range: () => [data.from / 1000, data.to / 1000] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.06 : 1] } },
      axes: [
        { ...axis, size: 30, space: 80, values: (_, splits) => splits.map(tickText) },
        { ...axis, size: 64, space: 36, values: (_, splits) => splits.map(format.power) },
      ],
      series: [
        {},
        ...[...visible].reverse().map((line) => ({
          stroke: theme.backgroundColor,
          width: 1,
          fill: line.color,
          points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }),
        })),
      ],
      hooks: {
        setCursor: [(u) => moved(u.cursor.idx)],
        setSelect: [(u) => u.select.width > 4 && go(between(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000))],
      },
    };
  }

  function tickText(seconds) {
    const span = data.to - data.from;
    const form = span > 36 * 36e5 ? { month: "short", day: "numeric", ...(span < 6 * 864e5 ? { hour: "2-digit" } : {}) }
      : { hour: "2-digit", minute: "2-digit", ...(span < 6e5 ? { second: "2-digit" } : {}) };
    return new Intl.DateTimeFormat(undefined, form).format(seconds * 1000);
  }

  function moved(index) {
    const at = index === null || index === undefined || data.times.length === 0 ? null : Math.min(index, data.times.length - 1);
    if (at === cursor) return;
    cursor = at;
    drawLegend();
  }

  function walk(event) {
    const last = data.times.length - 1;
    const to = { ArrowLeft: (cursor ?? last + 1) - 1, ArrowRight: (cursor ?? -1) + 1, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const index = to === null ? null : Math.max(0, Math.min(last, to));
    plot.setCursor(index === null ? { left: -10, top: -10 } : { left: plot.valToPos(data.times[index] / 1000, "x"), top: 1 }, false);
    moved(index);
  }

  // Rows are made anew when they change; while the cursor moves, only their values do.
  let rowsOf = "";
  let cells = [];
  function drawLegend() {
    const last = data.times.findLastIndex((_, at) => data.lines.some((line) => line.watts[at] !== null));
    const at = cursor ?? last;
    const hidden = hiddenIds();
    const key = JSON.stringify([data.lines.map((line) => [line.id, line.name, line.color, line.joules]), [...hidden], data.from, data.to]);
    if (key !== rowsOf) {
      rowsOf = key;
      const active = document.activeElement?.dataset.key;
      const seconds = (data.to - data.from) / 1000;
      const all = sum(data.lines.map((line) => line.joules)) ?? 0;
      const inOneUnit = format.energies(all);
      cells = data.lines.map(() => el("td", { class: "numeric" }));
      const body = data.lines.map((line, index) => legendRow(line, cells[index], seconds, all, hidden));
      const when = el("th", { scope: "col", class: "numeric", "aria-live": "polite" });
      const total = el("td", { class: "numeric" });
      cells.push(total, when);
      legend.replaceChildren(el("table", {},
        el("caption", {}, "Power and energy of each area"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Area"), when, el("th", { scope: "col", class: "numeric minor" }, "Mean"),
          el("th", { scope: "col", class: "numeric" }, "Energy"), el("th", { scope: "col", class: "numeric minor" }, "Share"))),
        el("tbody", {}, body),
        el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "Sum"), total, el("td", { class: "numeric minor" }, format.power(all / seconds)),
          el("td", { class: "numeric", title: format.joules(all) }, inOneUnit(all)), el("td", { class: "minor" })))));
      [...legend.querySelectorAll("[data-key]")].find((one) => one.dataset.key === active)?.focus({ preventScroll: true });
    }
    const watts = data.lines.map((line) => (at < 0 ? null : line.watts[at]));
    watts.forEach((value, index) => { cells[index].textContent = format.power(value); });
    cells.at(-2).textContent = format.power(sum(watts));
    cells.at(-1).textContent = at < 0 ? "Latest" : cursor === null ? "Latest" : format.time(data.times[at]);
  }

  function legendRow(line, cell, seconds, all, hidden) {
    const inOneUnit = format.energies(all);
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = line.color;
    const toggle = el("button", {
      type: "button",
      class: "toggle",
      "aria-pressed": String(!hidden.has(line.id)),
      title: "Show or hide",
      data: { key: `legend/${line.id}` },
      onclick: () => go({ hide: toggled(line.id) }),
    }, swatch, el("span", {}, line.name, line.detail && el("small", {}, line.detail)));
    return el("tr", {}, el("th", { scope: "row" }, toggle), cell,
      el("td", { class: "numeric minor" }, format.power(line.joules / seconds)),
      el("td", { class: "numeric", title: format.joules(line.joules) }, inOneUnit(line.joules)),
      el("td", { class: "numeric minor" }, format.share(line.joules / all)));
  }

  function drawValues() {
    values.querySelector(".scroll")?.remove();
    if (!values.open || data === undefined) return;
    const head = el("tr", {}, el("th", { scope: "col" }, "From"), data.lines.map((line) => el("th", { scope: "col", class: "numeric" }, line.name)));
    const body = data.times.map((at, index) => el("tr", {}, el("th", { scope: "row" }, format.time(at)),
      data.lines.map((line) => el("td", { class: "numeric" }, format.power(line.watts[index])))));
    values.append(el("div", { class: "scroll tall", tabindex: "0" }, el("table", {},
      el("caption", {}, `Mean power of each ${format.duration(data.step * 1000)}`), el("thead", {}, head), el("tbody", {}, body.reverse()))));
  }

  return { root, show };
}

const hiddenIds = () => new Set(current().hide.split(" ").filter(Boolean).map(decodeURIComponent));

function toggled(id) {
  const hidden = hiddenIds();
  if (!hidden.delete(id)) hidden.add(id);
  return [...hidden].map(encodeURIComponent).join(" ");
}
