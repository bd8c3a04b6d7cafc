// Keys that work wherever nothing is being typed.

/** Key and what it does, for the help. */
export const KEYS = [
  ["1 … 4", "Energy, nodes, GPUs, pipeline"],
  ["t", "Choose the time"],
  ["n", "Choose a node"],
  [", .", "Earlier, later"],
  ["- +", "Longer, shorter time"],
  ["b", "Divide the power by something else"],
  ["Esc", "One level up"],
  ["r", "Refresh now"],
  ["d", "Light, dark, or as the system"],
  ["?", "This help"],
];

/** Calls `actions[key]` for each key. */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, dialog")) return;
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}
