// What the overview is about, kept in its address: `#BTC-USD.COINBASE/5m/ETH-USD.COINBASE,SOL-USD.COINBASE`.

import { decoded, fromHash, toHash, type Place } from "../choice";

export interface OverviewChoice extends Place {
  /** What the chosen instrument is compared with. */
  readonly others: readonly string[];
}

/** More lines than this nobody tells apart. */
export const MAX_OTHERS = 7;

/** Read an address; what is missing or makes no sense falls back to the defaults. */
export function readChoice(hash: string): OverviewChoice {
  const others = hash.split("/")[2] ?? "";
  const ids = others.split(",").map(decoded).filter(Boolean);
  return { ...fromHash(hash), others: [...new Set(ids)].slice(0, MAX_OTHERS) };
}

/** Return the address of a choice. */
export function writeChoice(choice: OverviewChoice): string {
  const others = choice.others.map(encodeURIComponent).join(",");
  return `${toHash(choice)}${others === "" ? "" : `/${others}`}`;
}

/** Return the choice with an instrument compared, or compared no more; the chosen one always is. */
export function toggled(choice: OverviewChoice, id: string): OverviewChoice {
  if (id === choice.instrument) return choice;
  const others = choice.others.includes(id)
    ? choice.others.filter((other) => other !== id)
    : [...choice.others, id].slice(-MAX_OTHERS);
  return { ...choice, others };
}
