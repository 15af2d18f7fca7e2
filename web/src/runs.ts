// The newest rows of a kind for each instrument, in order of time, as values.

import type { Time } from "./types";

/** Twenty minutes of rows that come once a second. */
export const MAX_RUN = 1_200;

interface Timed {
  readonly instrument: string;
  readonly event_time?: Time;
  readonly start?: Time;
}

/** Rows by instrument, oldest first. */
export type Runs<Row> = ReadonlyMap<string, readonly Row[]>;

/** Return the runs with rows added; one of the same instrument and time is replaced. Nothing is changed in place. */
export function withRows<Row extends Timed>(old: Runs<Row>, rows: readonly Row[] | undefined): Runs<Row> {
  if (!rows?.length) return old;
  const next = new Map(old);
  for (const instrument of new Set(rows.map((row) => row.instrument))) {
    const added = rows.filter((row) => row.instrument === instrument);
    next.set(instrument, merged(old.get(instrument) ?? [], added));
  }
  return next;
}

function merged<Row extends Timed>(old: readonly Row[], added: readonly Row[]): readonly Row[] {
  const newest = old.at(-1);
  const isInOrder = added.every((row, i) => {
    const before = i === 0 ? newest : added[i - 1];
    return before === undefined || timeOf(before) < timeOf(row);
  });
  if (isInOrder) return [...old, ...added].slice(-MAX_RUN);
  const byTime = new Map([...old, ...added].map((row) => [timeOf(row), row]));
  return [...byTime.values()].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1)).slice(-MAX_RUN);
}

/** Fixed-width times sort as text. */
function timeOf({ event_time, start }: Timed): Time {
  return event_time ?? start ?? "";
}
