// What an instrument is called, and how its sizes are written.

import { exact, rounded } from "./format";
import type { Instrument } from "./types";

/** How many decimals a size has that no venue sent. */
export const COMPUTED_DECIMALS = 8;

/** Return what is traded, whatever the venue: `BTC-USDT-PERP`. */
export function productOf(id: string): string {
  return id.replace(/\.[^.]*$/, "");
}

/** Return what the id says after base and quote: `-PERP`, or nothing. */
export function contractOf({ id, base, quote }: Instrument): string {
  return productOf(id).slice(`${base}-${quote}`.length);
}

/** Return whether sizes are worked out: those of an inverse contract are its value by the price of each trade. */
export function hasComputedSizes(instrument: Instrument | undefined): boolean {
  return instrument?.contract === "inverse";
}

/** Return a size with every digit that the venue sent; one that is worked out has eight decimals. */
export function sizeText(size: number, instrument: Instrument | undefined): string {
  return hasComputedSizes(instrument) ? rounded(size, COMPUTED_DECIMALS) : exact(size, instrument?.size_step ?? 0);
}
