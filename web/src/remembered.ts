// The instrument that was looked at last: other pages begin with it, and so does the next visit.

const KEY = "fulltape.instrument";

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
