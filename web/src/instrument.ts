// What an instrument is called, and how its sizes are written.

import { decimalsOf, exact, rounded } from "./format";
import type { Instrument } from "./types";

/** How many decimals a size has that is worked out, where no step tells. */
const COMPUTED_DECIMALS = 8;

/** Return what is traded, whatever the venue: `BTC-USDT-PERP`. */
export function productOf(id: string): string {
  return id.replace(/\.[^.]*$/, "");
}

/** Return what the id says after base and quote: `-PERP`, or nothing. */
export function contractOf({ id, base, quote }: Instrument): string {
  return productOf(id).slice(`${base}-${quote}`.length);
}

/**
 * Return how many decimals sizes have that are worked out of numbers of contracts; null where the venue sends sizes. Of a
 * linear contract that is a product, of an inverse one its value by the price of each trade.
 */
export function computedDecimals(instrument: Instrument | undefined): number | null {
  if (instrument?.contract === "inverse") return COMPUTED_DECIMALS;
  if (instrument?.contract !== "linear") return null;
  return instrument.size_step > 0 ? decimalsOf(instrument.size_step) : COMPUTED_DECIMALS;
}

/** Return a size with every digit that the venue sent; one that is worked out is rounded. */
export function sizeText(size: number, instrument: Instrument | undefined): string {
  const decimals = computedDecimals(instrument);
  return decimals === null ? exact(size, instrument?.size_step ?? 0) : rounded(size, decimals);
}
