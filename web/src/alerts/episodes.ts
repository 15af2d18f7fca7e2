// Alerts as a reader thinks of them: an episode begins when one is raised and ends when it is cleared.

import { significant } from "../format";
import type { Alert } from "../types";

export interface Episode {
  readonly key: string;
  readonly raised: Alert;
  /** Null while it goes on. */
  readonly cleared: Alert | null;
}

export const KINDS: readonly Alert["kind"][] = ["RISK", "OPPORTUNITY", "MOVE", "OTHER"];

/** What a reader wants to see; empty means all. */
export interface Filter {
  readonly kinds: readonly Alert["kind"][];
  readonly rule: string;
  /** A part of an instrument's id. */
  readonly instrument: string;
}

export const ALL: Filter = { kinds: [], rule: "", instrument: "" };

function keyOf({ instrument, rule, number, origin }: Alert): string {
  return `${instrument} ${rule} ${number} ${origin}`;
}

/** Return the episodes of alerts in any order, newest first. An end whose beginning is not there is left out. */
export function episodesOf(...sources: readonly (readonly Alert[])[]): Episode[] {
  const raised = new Map<string, Alert>();
  const cleared = new Map<string, Alert>();
  for (const alerts of sources)
    for (const alert of alerts) (alert.state === "RAISED" ? raised : cleared).set(keyOf(alert), alert);
  const episodes = [...raised].map(([key, alert]) => ({ key, raised: alert, cleared: endOf(alert, cleared.get(key)) }));
  return episodes.sort((a, b) => (a.raised.ingest_time < b.raised.ingest_time ? 1 : -1));
}

/** Return the end if it is that of the alert: numbers begin again in a database that was begun anew. */
function endOf(raised: Alert, end: Alert | undefined): Alert | null {
  return end !== undefined && end.ingest_time >= raised.ingest_time ? end : null;
}

/** Return whether an episode goes on: a replayed one that was not cleared ended with its recording. */
export function isActive({ raised, cleared }: Episode): boolean {
  return cleared === null && raised.origin === "LIVE";
}

export function matches({ raised }: Episode, { kinds, rule, instrument }: Filter): boolean {
  return (
    (kinds.length === 0 || kinds.includes(raised.kind)) &&
    (rule === "" || raised.rule === rule) &&
    raised.instrument.toLowerCase().includes(instrument.trim().toLowerCase())
  );
}

/** Return the rules that there are alerts of, by name. */
export function rulesOf(episodes: readonly Episode[]): string[] {
  return [...new Set(episodes.map(({ raised }) => raised.rule))].sort();
}

/** A figure that is a share of 1 and read in percent. */
const SHARE = "realised_volatility";

/** Return a value of a figure as it is read: `3.519 %`, `12 bp`, as the engine's own table says. */
export function written(value: number, figure: string): string {
  if (figure === SHARE) return `${significant(100 * value, 4)} %`;
  return significant(value, 4) + unitOf(figure);
}

/** Return the threshold of an alert, with every digit that it was told with. */
export function thresholdOf({ threshold, figure }: Alert): string {
  return figure === SHARE ? `${significant(100 * threshold, 15)} %` : `${threshold}${unitOf(figure)}`;
}

function unitOf(figure: string): string {
  if (figure.startsWith("change_") || figure.endsWith("_distance")) return " %";
  return figure.endsWith("_bp") ? " bp" : "";
}

/** Return the figure that raised an alert: `3.52 %`. */
export function valueOf({ value, figure }: Alert): string {
  return value === null ? "–" : written(value, figure);
}

/** Return the newest alert that was raised after `seen`, and how many were; news are in order, null is before all. */
export function unseen(news: readonly Alert[], seen: Alert | null): { newest: Alert; count: number } | null {
  const from = seen === null ? 0 : news.lastIndexOf(seen) + 1;
  const raised = news.slice(from).filter(({ state }) => state === "RAISED");
  const newest = raised.at(-1);
  return newest === undefined ? null : { newest, count: raised.length };
}
