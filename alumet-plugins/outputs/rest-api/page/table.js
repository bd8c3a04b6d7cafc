// Tables that are sorted by a click on a heading and walked through with the arrow keys.

import { el } from "./dom.js";
import { current, go } from "./state.js";

/**
 * A column is `{ id, head, cell(row), value(row), numeric, minor }`: `cell` gives what is shown, `value` by what is sorted,
 * and a `minor` one is left out on a phone. `order` is the `sort` that holds if the address names no column of this table.
 */
export function table({ caption, columns, rows, order, foot }) {
  const chosen = current().sort;
  const known = columns.some(({ id }) => id === chosen.replace("-", ""));
  const sort = known ? chosen : order;
  const column = columns.find(({ id }) => id === sort.replace("-", ""));
  const sorted = [...rows].sort((a, b) => compare(column.value(a), column.value(b)) * (sort.startsWith("-") ? -1 : 1));

  const head = columns.map((one) => {
    const active = one === column;
    const next = active ? (sort.startsWith("-") ? one.id : `-${one.id}`) : one.numeric ? `-${one.id}` : one.id;
    const direction = sort.startsWith("-") ? "descending" : "ascending";
    return el(
      "th",
      { scope: "col", class: style(one), "aria-sort": active && direction },
      el("button", { type: "button", class: "sort", data: { key: `${caption}/${one.id}` }, onclick: () => go({ sort: next }) }, one.head),
    );
  });
  const line = (row, cell) =>
    el("tr", {}, columns.map((one, index) => {
      const content = cell(one, row);
      return el(index === 0 ? "th" : "td", { class: style(one), ...(index === 0 ? { scope: "row" } : {}) }, content);
    }));
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { onkeydown: walk },
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, sorted.map((row) => line(row, (one) => one.cell(row)))),
      foot && el("tfoot", {}, foot.map((row) => line(row, (one) => row[one.id]))),
    ),
  );
}

/** The first cell of a row: a link that covers all of it. */
export function rowLink(href, text, detail) {
  return [el("a", { class: "row", href, data: { key: href } }, text), detail && el("small", {}, detail)];
}

/** A number, and a bar for its part of the largest. */
export function bar(text, part, title) {
  const fill = el("span", { class: "bar", "aria-hidden": "true" });
  fill.style.inlineSize = `${Math.max(0, Math.min(1, part || 0)) * 100}%`;
  return el("span", { class: "barred", title }, fill, el("span", {}, text));
}

function style({ numeric, minor }) {
  return [numeric && "numeric", minor && "minor"].filter(Boolean).join(" ") || null;
}

function compare(a, b) {
  if (typeof a === "number" || typeof b === "number") return (a ?? -Infinity) - (b ?? -Infinity);
  return String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
}

function walk(event) {
  const rows = [...event.currentTarget.querySelectorAll("tbody [data-key]")];
  const at = rows.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  rows[Math.max(0, Math.min(rows.length - 1, to))].focus();
}
