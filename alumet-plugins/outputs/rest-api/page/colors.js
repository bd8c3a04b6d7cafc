// Colours that people with any colour vision can tell apart.

// Wong, "Points of view: Color blindness", Nature Methods 8:441 (2011), without black.
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#56b4e9", "#d55e00", "#cc79a7", "#f0e442"];

/** Of what is left when the large ones are shown. */
export const REST = "#8a929c";

/** How many have a colour of their own. */
export const COLORS = PALETTE.length;

const given = new Map();

/** A colour for each name in a group of names; a name keeps it while it is shown. */
export function colorsOf(group, names) {
  const before = given.get(group) ?? new Map();
  const now = new Map(names.filter((name) => before.has(name)).map((name) => [name, before.get(name)]));
  for (const name of names) {
    if (now.has(name)) continue;
    const used = [...now.values()];
    const free = PALETTE.find((color) => !used.includes(color));
    now.set(name, free ?? REST);
  }
  given.set(group, now);
  return now;
}
