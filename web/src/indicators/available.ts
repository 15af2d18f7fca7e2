// What the API says of its indicators, and what follows for a chart.

import { compact, decimalsOf, rounded } from "../format";
import type { Instrument } from "../types";
import type { Wanted } from "./key";

export type Unit = "price" | "price_difference" | "index" | "percent" | "volume" | "sign";

export interface Parameter {
  readonly name: string;
  readonly default: number;
  readonly least: number;
  readonly most: number;
  readonly is_whole: boolean;
}

export interface Output {
  readonly name: string;
  readonly unit: Unit;
  /** It is drawn as bars from zero. */
  readonly is_bar: boolean;
}

export interface Indicator {
  readonly name: string;
  readonly title: string;
  readonly parameters: readonly Parameter[];
  readonly outputs: readonly Output[];
  /** What its readers look for. */
  readonly levels: readonly number[];
}

export interface Available {
  readonly indicators: readonly Indicator[];
}

/** Of prices, while the venue has not told the step. */
const DEFAULT_DECIMALS = 2;

/** Return whether an indicator is drawn among the candles; the others have a pane of their own. */
export function isOverCandles({ outputs }: Indicator): boolean {
  return outputs.some(({ unit }) => unit === "price");
}

/** Return what is wrong with what was typed for a parameter; empty if nothing is. */
export function problemOf({ name, least, most, is_whole }: Parameter, value: number | null): string {
  const isOne = value !== null && value >= least && value <= most && (!is_whole || Number.isInteger(value));
  return isOne ? "" : `${name} must be a ${is_whole ? "whole number" : "number"} from ${least} to ${most}.`;
}

/** Return an indicator as it is wanted, every parameter named. */
export function wantedWith({ name, parameters }: Indicator, values: Readonly<Record<string, number | null>>): Wanted {
  const told = parameters.map((parameter) => [parameter.name, values[parameter.name] ?? parameter.default] as const);
  return { name, parameters: Object.fromEntries(told) };
}

/** Return how many decimals figures of a unit have where prices have `priceStep`. */
export function decimalsFor(unit: Unit, priceStep: number): number {
  const ofPrices = decimalsOf(priceStep) || DEFAULT_DECIMALS;
  if (unit === "price") return ofPrices;
  // Differences between prices are small against their step.
  return unit === "price_difference" ? ofPrices + 2 : 2;
}

/** Return a figure as the legend has it. */
export function written(value: number | null, unit: Unit, instrument: Instrument | undefined): string {
  if (value === null) return "–";
  if (unit === "sign") return value > 0 ? "▲" : "▼";
  if (unit === "volume") return `${compact(value)} ${instrument?.base ?? ""}`.trimEnd();
  const text = rounded(value, decimalsFor(unit, instrument?.price_step ?? 0));
  return unit === "percent" ? `${text} %` : text;
}
