// The instrument that was looked at last: other pages begin with it, and so does the next visit; and the indicators.

import { listFromText, listToText } from "./indicators/key";

const KEY = "fulltape.instrument";
const INDICATORS = "fulltape.indicators";

/** Remember an instrument, for this tab and for tabs that are opened later. */
export function rememberInstrument(id: string): void {
  sessionStorage.setItem(KEY, id);
  localStorage.setItem(KEY, id);
}

/** Return the one to begin with where the address names none: that of last time, else the first. */
export function firstOf<One extends { readonly id: string }>(ones: readonly One[]): One | undefined {
  const id = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
  return ones.find((one) => one.id === id) ?? ones[0];
}

/** Remember the indicators on the chart. */
export function rememberIndicators(keys: readonly string[]): void {
  localStorage.setItem(INDICATORS, listToText(keys));
}

/** Return the indicators of last time. */
export function rememberedIndicators(): string[] {
  return listFromText(localStorage.getItem(INDICATORS) ?? "");
}
