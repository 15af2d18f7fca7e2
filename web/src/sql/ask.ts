// POST /api/v1/sql: the rows of a query, or a file of them.

import { ask, askFile, type Call, type FileAnswer } from "../api/call";

export type Value = string | number | boolean | null;

/** What a query gave; `is_cut` when there were more rows. */
export interface Rows {
  simulated: boolean;
  columns: string[];
  types: string[];
  rows: Value[][];
  is_cut: boolean;
}

export type FileFormat = "csv" | "parquet" | "arrow";

/** Return the rows of a query. Throws an Error that says why there are none. */
export async function askRows(query: string, signal: AbortSignal): Promise<Rows> {
  return ask<Rows>(callOf(query, "json"), signal);
}

/** Return the rows of a query as a file. */
export async function askRowsFile(query: string, format: FileFormat, signal: AbortSignal): Promise<FileAnswer> {
  return askFile(callOf(query, format), signal);
}

function callOf(query: string, format: FileFormat | "json"): Call {
  return { name: "sql", query: { format }, body: { query } };
}

/** Return a value as it is shown: nothing for null, and whether it is a number. */
export function shown(value: Value): string {
  return value === null ? "" : String(value);
}

/** Return whether a column's values stand to the right, by its Arrow type. */
export function isNumeric(type: string): boolean {
  return /^(u?int\d+|float|double|halffloat|decimal)/.test(type);
}
