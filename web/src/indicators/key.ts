// Which indicators are on the chart, as text: `RSI(period=14)`, as the API writes it.

/** More than this is no chart any more. */
export const MOST_INDICATORS = 6;

/** An indicator and the parameters that are not left to its defaults. */
export interface Wanted {
  readonly name: string;
  readonly parameters: Readonly<Record<string, number>>;
}

const SHAPE = /^(\w{1,20})(?:\(([\w.=,-]{0,200})\))?$/;
const BETWEEN = ";";

/** Return the text of an indicator. */
export function keyOf({ name, parameters }: Wanted): string {
  const told = Object.entries(parameters).map(([parameter, value]) => `${parameter}=${value}`);
  return told.length === 0 ? name : `${name}(${told.join(",")})`;
}

/** Return the indicator of a text; null for what is none. Whether there is such a one, the API knows. */
export function wantedOf(key: string): Wanted | null {
  const [, name, told] = SHAPE.exec(key) ?? [];
  if (name === undefined) return null;
  const pairs = (told ?? "").split(",").filter((part) => part !== "");
  const parameters = pairs.map((part) => part.split("=")).map(([parameter, value]) => [parameter, Number(value)] as const);
  if (parameters.some(([parameter, value]) => !parameter || !Number.isFinite(value))) return null;
  return { name: name.toUpperCase(), parameters: Object.fromEntries(parameters) };
}

/** Return an indicator as a chart's legend names it: `MACD 12 26 9`. */
export function labelOf({ name, parameters }: Wanted): string {
  return [name, ...Object.values(parameters)].join(" ");
}

/** Return several of them as one text. */
export function listToText(keys: readonly string[]): string {
  return keys.join(BETWEEN);
}

/** Return those of a text: what makes no sense, is there twice or is too much is left out. */
export function listFromText(text: string): string[] {
  const wanted = text.split(BETWEEN).map(wantedOf);
  const keys = wanted.filter((one) => one !== null).map(keyOf);
  return [...new Set(keys)].slice(0, MOST_INDICATORS);
}
