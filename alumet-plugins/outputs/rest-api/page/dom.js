// Elements made of data, never of markup: whatever comes from the server becomes text.

/**
 * An element with properties and children. `on…` are listeners, `data` and other names attributes; `null`, `undefined` and `false`
 * leave an attribute or a child out.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let release = null;
let released = Promise.resolve();
addEventListener("pointerdown", () => { released = new Promise((resolve) => { release = resolve; }); }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => release?.()), true);

/** Waits until no button of the mouse is down: a click is none if its element is replaced in the middle of it. */
export const pointerReleased = () => released;

/** Replaces what is in an element, and leaves the focus on the part with the same `data-key`. */
export function fill(element, ...children) {
  const active = document.activeElement;
  const key = element.contains(active) ? active.dataset.key : undefined;
  element.replaceChildren(...children.flat().filter(Boolean));
  if (key !== undefined) {
    [...element.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus({ preventScroll: true });
  }
}
