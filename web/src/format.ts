// Numbers and times as people read them. A price or size the venue sent is never rounded: it is written with all
// its digits, padded to the instrument's step.

const LOCALE = "en-US";

/** Return how many decimals a step such as 0.01 has; 0 for a step that is not known. */
export function decimalsOf(step: number): number {
  return step > 0 ? (plain(step).split(".")[1]?.length ?? 0) : 0;
}

/** Return every digit of `value`, grouped in thousands and padded to the decimals of `step`. */
export function exact(value: number | null | undefined, step: number): string {
  return value === null || value === undefined ? "–" : written(value, decimalsOf(step));
}

/** Return a figure that was computed (a vwap, an axis mark), rounded to `decimals`. */
export function rounded(value: number | null, decimals: number): string {
  return value === null ? "–" : written(Number(value.toFixed(decimals)), decimals);
}

/** Return a sum such as a volume in at most five figures: 1.234K, 56.78M. */
export function compact(value: number): string {
  return new Intl.NumberFormat(LOCALE, { notation: "compact", maximumSignificantDigits: 5 }).format(value);
}

/** Return a large figure in four figures, whatever they are, so that columns align: 1.090B, 364.5M. */
export function figures(value: number): string {
  const digits = { minimumSignificantDigits: 4, maximumSignificantDigits: 4 };
  return new Intl.NumberFormat(LOCALE, { notation: "compact", ...digits }).format(value);
}

/** Return a figure that was computed, with `digits` that count and without an exponent: 0.000123, 1,230,000. */
export function significant(value: number, digits: number): string {
  return written(Number(value.toPrecision(digits)), 0);
}

/** Return a sum of money in whatever currency: cents, and of less than one unit three digits that count. */
export function sum(value: number | null): string {
  if (value === null) return "–";
  return value !== 0 && Math.abs(value) < 1 ? significant(value, 3) : rounded(value, 2);
}

const UNITS = [
  { unit: "h", seconds: 3_600 },
  { unit: "min", seconds: 60 },
  { unit: "s", seconds: 1 },
  { unit: "ms", seconds: 1e-3 },
  { unit: "µs", seconds: 1e-6 },
  { unit: "ns", seconds: 1e-9 },
] as const;

/** Return a length of time in the unit that suits it: `1.5 ms`, `2.4 s`, `3 h`. */
export function duration(seconds: number): string {
  const { unit, seconds: one } = UNITS.find(({ seconds: least }) => seconds >= least) ?? UNITS.at(-1)!;
  return `${significant(seconds / one, 3)} ${unit}`;
}

/** Return a change as `+1.23 %`, or a dash when there is nothing to compare with. */
export function percent(now: number | null | undefined, before: number | null | undefined): string {
  if (now === null || now === undefined || !before) return "–";
  return signed((now / before - 1) * 100, "%");
}

/** Return a figure with its sign and two decimals, such as a change in percent: `−0.52 %`. A dash for none. */
export function signed(value: number | null | undefined, unit = ""): string {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(2);
  return `${text === "0.00" ? "" : value < 0 ? "−" : "+"}${text} ${unit}`.trimEnd();
}

/** Return an age that can be read at a glance: `0 s`, `59 s`, `3 m`, `2 h`, `5 d`. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} m`;
  if (whole < 172_800) return `${Math.floor(whole / 3_600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** Return the browser's zone as it is at a moment: `UTC`, `UTC+1`, `UTC−3:30`. */
export function zone(ms: number): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest === 0 ? "" : `:${two(rest)}`}`;
}

/** Return milliseconds since 1970 of an RFC 3339 time with nine digits. */
export function milliseconds(time: string): number {
  return Date.parse(`${time.slice(0, 23)}Z`);
}

/** Return `14:03:07.512` in the browser's zone. */
export function clockTime(time: string): string {
  const date = new Date(milliseconds(time));
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${time.slice(20, 23)}`;
}

/** Return `20 Nov 14:03:07` in the browser's zone. */
export function dateTime(ms: number): string {
  const date = new Date(ms);
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Return `20 Nov 2026`, the UTC day. */
export function utcDay(ms: number): string {
  return new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
}

/** Return `14:03:07`, the UTC time of day. */
export function utcClock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** Return ` · as of 14:03:07 UTC` to follow a note, or nothing for what has not come yet. */
export function asOf(ms: number | null): string {
  return ms === null ? "" : ` · as of ${utcClock(ms)} UTC`;
}

/** Return `20 Nov 2026 14:03:07 UTC`, and what that is in the browser's zone: for hovering. */
export function utcDateTime(ms: number): string {
  return `${utcDay(ms)} ${utcClock(ms)} UTC (here ${dateTime(ms)})`;
}

/** Return the time as the venue gave it, for hovering: `2026-11-20 14:03:07.512345678 UTC`. */
export function utc(time: string): string {
  return time.replace("T", " ").replace("Z", " UTC");
}

function written(value: number, decimals: number): string {
  const [whole = "", fraction = ""] = plain(Math.abs(value)).split(".");
  const padded = fraction.padEnd(decimals, "0");
  return (value < 0 ? "−" : "") + grouped(whole) + (padded ? `.${padded}` : "");
}

/** Return `value` in decimal notation; JavaScript writes 1e-7 for small numbers. */
function plain(value: number): string {
  const text = String(value);
  const [mantissa = "", exponent] = text.split("e");
  if (exponent === undefined) return text;
  const [whole = "", fraction = ""] = mantissa.split(".");
  const places = Number(exponent);
  const digits = whole + fraction;
  if (places < 0) return `0.${"0".repeat(-places - whole.length)}${digits}`;
  return digits.padEnd(places + whole.length, "0");
}

function grouped(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
