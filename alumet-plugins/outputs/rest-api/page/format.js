// Quantities and times in people's form.

const three = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const NOTHING = "–";

function scaled(value, steps) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  const [factor, unit] = steps.find(([factor]) => size >= factor * 0.9995) ?? steps.at(-1);
  const number = value / factor;
  return `${(Math.abs(number) >= 1000 ? whole : three).format(size === 0 ? 0 : number)} ${unit}`;
}

/** Watts. */
export function power(watts) {
  if (watts === 0) return "0 W";
  return scaled(watts, [[1e6, "MW"], [1e3, "kW"], [1, "W"], [1e-3, "mW"]]);
}

// Joules: J and kJ up to a tenth of a kWh, which is 3.6 MJ.
const ENERGIES = [[3.6e12, "GWh"], [3.6e9, "MWh"], [3.6e6, "kWh"], [1e3, "kJ"], [1, "J"], [1e-3, "mJ"]];
const unitOf = (joules) => ENERGIES.find(([size, unit]) => Math.abs(joules) >= size * (unit === "kWh" ? 0.1 : 0.9995));

/** Joules. */
export const energy = (joules) => energies(joules)(joules);

/** Joules of a list whose largest are `most`, all in one unit but for those that would be too small in it. */
export function energies(most) {
  const unit = unitOf(most);
  return (joules) => {
    if (joules === 0) return "0 J";
    const own = unit !== undefined && Math.abs(joules) >= unit[0] / 1000 ? unit : unitOf(joules);
    return scaled(joules, [own ?? ENERGIES.at(-1)]);
  };
}

/** Joules to the last digit, for tooltips. */
export const joules = (value) =>
  Number.isFinite(value) ? `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 }).format(value)} J` : "";

/** Bytes. */
export const bytes = (value) => scaled(value, [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]]);

/** A part of 1. */
export function share(value) {
  if (!Number.isFinite(value)) return NOTHING;
  return value > 0 && value < 0.001 ? "< 0.1 %" : `${three.format(Math.round(value * 1000) / 10)} %`;
}

/** A number that counts something. */
export const count = (value) => (Number.isFinite(value) ? whole.format(value) : NOTHING);

/** A number with its unit. */
export const number = (value, unit) => (Number.isFinite(value) ? `${three.format(value)} ${unit}` : NOTHING);

/** A length of time in milliseconds, in its two largest units. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return NOTHING;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  let left = Math.round(ms / 1000);
  const parts = [];
  for (const [seconds, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const amount = Math.floor(left / seconds);
    left -= amount * seconds;
    if (amount > 0) parts.push(`${amount} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(" ");
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** An instant in milliseconds since 1970, in local time; without the date if it is of today. */
export function time(ms) {
  if (!Number.isFinite(ms)) return NOTHING;
  return (new Date(ms).toDateString() === new Date().toDateString() ? clock : date).format(ms);
}
