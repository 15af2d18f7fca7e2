// POST /api/v1/sql: the rows of a query, or a file of them.

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
export async function ask(query: string, signal: AbortSignal): Promise<Rows> {
  return (await (await post(query, "json", signal)).json()) as Rows;
}

/** Return the rows of a query as a file. */
export async function askFile(query: string, format: FileFormat, signal: AbortSignal): Promise<Blob> {
  return (await post(query, format, signal)).blob();
}

async function post(query: string, format: FileFormat | "json", signal: AbortSignal): Promise<Response> {
  const response = await fetch(`/api/v1/sql?format=${format}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query }),
    signal,
  });
  if (!response.ok) throw new Error(await reasonOf(response));
  return response;
}

async function reasonOf(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  return problem.detail ?? `HTTP ${response.status}`;
}

/** Return a value as it is shown: nothing for null, and whether it is a number. */
export function shown(value: Value): string {
  return value === null ? "" : String(value);
}

/** Return whether a column's values stand to the right, by its Arrow type. */
export function isNumeric(type: string): boolean {
  return /^(u?int\d+|float|double|halffloat|decimal)/.test(type);
}
