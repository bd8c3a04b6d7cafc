// The view: what is shown. It stands in the address, so that a link or the back button restores it.

/** What is not in the address. */
export const DEFAULTS = {
  tab: "energy",
  from: "now-1h",
  to: "now",
  every: "15",
  node: "",
  split: "domain",
  rank: "node",
  of: "",
  n: "10",
  hide: "",
  sort: "",
};

const CHOICES = {
  tab: ["energy", "nodes", "gpus", "pipeline"],
  split: ["domain", "consumer", "node"],
  rank: ["node", "cgroup", "process", "gpu"],
};

/** The view that an address names; what it does not say, or says wrongly, is the default. */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const view = { ...DEFAULTS };
  for (const [key, value] of [["tab", path], ...new URLSearchParams(query)]) {
    if (key in DEFAULTS && value !== "" && (CHOICES[key]?.includes(value) ?? true)) view[key] = value;
  }
  if (!(Number(view.every) >= 0)) view.every = DEFAULTS.every;
  if (!(Number(view.n) >= 1)) view.n = DEFAULTS.n;
  if (range(view) === null) Object.assign(view, { from: DEFAULTS.from, to: DEFAULTS.to });
  return view;
}

/** The address of a view. */
export function format(view) {
  const query = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS)) {
    if (key !== "tab" && view[key] !== DEFAULTS[key]) query.set(key, view[key]);
  }
  return `#/${view.tab}${query.size > 0 ? `?${query}` : ""}`;
}

/** The address of the present view with changes. */
export const link = (changes) => format({ ...current(), ...changes });

/** The present view. */
export const current = () => parse(location.hash);

/** Shows another view. */
export function go(changes) {
  location.hash = link(changes);
}

const UNITS = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** Milliseconds since 1970 of `now`, `now-5m` or RFC 3339; NaN if it is none of these. */
export function instant(text, now = Date.now()) {
  const relative = /^now(?:-(\d+)(ms|s|m|h|d|w))?$/.exec(text);
  if (relative === null) return Date.parse(text);
  return now - (relative[1] === undefined ? 0 : Number(relative[1]) * UNITS[relative[2]]);
}

/** From and to of a view in milliseconds; null unless the one is before the other. */
export function range(view, now = Date.now()) {
  const from = instant(view.from, now);
  const to = instant(view.to, now);
  return from < to ? { from, to } : null;
}

/** A view that covers these milliseconds. */
export const between = (from, to) => ({
  from: new Date(Math.round(from)).toISOString(),
  to: new Date(Math.round(to)).toISOString(),
});

// In seconds; each divides the next or the day.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];

/** The step in seconds of a plot of a view, which has at most 240 points, on a phone half of them. */
export function step(view) {
  const { from, to } = range(view);
  const least = (to - from) / 1000 / (innerWidth < 600 ? 120 : 240);
  return STEPS.find((seconds) => seconds >= least) ?? STEPS.at(-1);
}

/**
 * What the API is asked for: times, node, and the consumer or GPU that is looked at. It begins where the first interval of the plot
 * does, so that all parts of the page are about the same joules.
 */
export function selection(view) {
  const length = step(view) * 1000;
  const from = new Date(Math.floor(range(view).from / length) * length).toISOString();
  const asked = { from, to: view.to, node: view.node };
  const of = subject(view);
  if (of === null) return asked;
  return of.kind === "gpu"
    ? { ...asked, resource_kind: "gpu", resource_id: of.id }
    : { ...asked, consumer_kind: of.kind, consumer_id: of.id };
}

/** The consumer or GPU that is looked at, if it is one. */
export function subject(view) {
  const [, kind, id] = /^([^:]+):(.*)$/s.exec(view.of) ?? [];
  return kind === undefined ? null : { kind, id };
}
