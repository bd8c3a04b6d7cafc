// A part of a view: it asks for its data, draws them, and says what went wrong.

import { el, fill, pointerReleased } from "./dom.js";

/**
 * `load(view, signal)` gives data as JSON would hold them; `draw(view, data)` gives the elements that show them. What has not
 * changed is not drawn again.
 */
export function section(title, load, draw) {
  const heading = el("h2", { tabindex: "-1" }, title);
  const error = el("p", { class: "error", role: "alert", hidden: true });
  const body = el("div", { class: "body" });
  let shown = "";
  let repaint = () => {};

  return {
    /** Draws the same again, in other colours. */
    repaint: () => repaint(),

    root: el("section", { "aria-label": title }, heading, error, body),

    /** Asks and draws; gives the error, if there was one. */
    async update(view, signal) {
      body.setAttribute("aria-busy", "true");
      try {
        const data = await load(view, signal);
        await pointerReleased();
        if (signal.aborted) return null;
        const state = JSON.stringify([view, data]);
        if (state !== shown) {
          repaint = () => {
            const hadFocus = body.contains(document.activeElement);
            fill(body, draw(view, data));
            if (hadFocus && !body.contains(document.activeElement)) heading.focus({ preventScroll: true });
          };
          repaint();
          shown = state;
        }
        error.hidden = true;
        return null;
      } catch (problem) {
        if (problem.name === "AbortError") return null;
        if (error.hidden || error.textContent !== problem.message) error.textContent = problem.message;
        error.hidden = false;
        return problem;
      } finally {
        if (!signal.aborted) body.removeAttribute("aria-busy");
      }
    },
  };
}

/** What stands where there are no data: what is missing, and what to do. */
export const empty = (what, mend) => el("div", { class: "empty" }, el("p", {}, what), el("p", {}, mend));
