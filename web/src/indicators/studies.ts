// What the chart draws of the indicators that are followed.

import type { Study } from "../chart/studies";
import { rounded } from "../format";
import type { Instrument } from "../types";
import { decimalsFor, isOverCandles, written, type Indicator } from "./available";
import { colourOf } from "./colours";
import type { Follower } from "./follower.svelte";
import { labelOf } from "./key";

/** Return what to draw of an indicator; a sign is only told in the legend. */
export function studyOf(
  { key, wanted, slot, rows }: Pick<Follower, "key" | "wanted" | "slot" | "rows">,
  indicator: Indicator,
  instrument: Instrument | undefined,
): Study {
  const drawn = indicator.outputs.filter(({ unit }) => unit !== "sign");
  const unit = drawn[0]?.unit ?? "index";
  const decimals = decimalsFor(unit, instrument?.price_step ?? 0);
  return {
    key,
    label: labelOf(wanted),
    isOverCandles: isOverCandles(indicator),
    colour: colourOf(slot),
    outputs: drawn.map(({ name, is_bar }) => ({ name, isBar: is_bar })),
    levels: indicator.levels,
    rows,
    decimals,
    write: (value) => (unit === "volume" ? written(value, unit, undefined) : rounded(value, decimals)),
  };
}
