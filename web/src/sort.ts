// How a table is sorted by one of its columns.

export type Sort = "ascending" | "descending" | "none";

/** Return how `column` stands in a table that is sorted by `sorted`. */
export function sortOf(column: string, sorted: string, isDescending: boolean): Sort {
  if (column !== sorted) return "none";
  return isDescending ? "descending" : "ascending";
}
