// Colours of indicators by their slot. Those of rising and falling candles are left to the candles.

const COLOURS = ["series-1", "series-2", "series-4", "series-6", "series-7", "series-8"] as const;

/** Return the name of a slot's colour in the style sheet. */
export function colourOf(slot: number): string {
  return COLOURS[slot % COLOURS.length]!;
}
