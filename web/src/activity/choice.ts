// What the reader has set on the page, kept in the address.

export type Scale = "linear" | "logarithmic";

export interface Choice {
  /** The instrument of the panels that have one; empty while none is known. */
  readonly instrument: string;
  readonly hours: number;
  readonly minutes: number;
  readonly top: number;
  readonly scale: Scale;
}

/** What may be set, as the API takes it: least, most, and what it is without a choice. */
export const LIMITS = {
  hours: { least: 1, most: 24, usual: 12 },
  minutes: { least: 1, most: 1_440, usual: 20 },
  top: { least: 1, most: 100, usual: 5 },
} as const;

type Count = keyof typeof LIMITS;
const COUNTS = Object.keys(LIMITS) as Count[];

/** Return a whole number within the limits of `name`, or null for what is none. */
export function counted(name: Count, text: string | number): number | null {
  const value = typeof text === "number" ? text : /^\d+$/.test(text) ? Number(text) : NaN;
  const { least, most } = LIMITS[name];
  return Number.isInteger(value) && value >= least && value <= most ? value : null;
}

/** Read `#instrument=BTC-USD.COINBASE&hours=6`; what is missing or makes no sense is as usual. */
export function fromHash(hash: string): Choice {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const count = (name: Count): number => counted(name, query.get(name) ?? "") ?? LIMITS[name].usual;
  return {
    instrument: query.get("instrument") ?? "",
    hours: count("hours"),
    minutes: count("minutes"),
    top: count("top"),
    scale: query.get("scale") === "logarithmic" ? "logarithmic" : "linear",
  };
}

/** Return the address of a choice, without what is as usual. */
export function toHash(choice: Choice): string {
  const query = new URLSearchParams();
  if (choice.instrument !== "") query.set("instrument", choice.instrument);
  for (const name of COUNTS) if (choice[name] !== LIMITS[name].usual) query.set(name, String(choice[name]));
  if (choice.scale !== "linear") query.set("scale", choice.scale);
  return `#${query}`;
}
