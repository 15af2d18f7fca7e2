// Files that the reader keeps.
import { csv, type Cell } from "./csv";

/** Let the browser save a file. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

/** Return the name of a file, which says what made-up prices are even when it is far from the page. */
export function fileName(what: string, isSimulated: boolean, extension: string): string {
  return `fulltape-${isSimulated ? "simulated-" : ""}${what}.${extension}`;
}

/** Let the browser save a table. */
export function saveTable(
  what: string,
  isSimulated: boolean,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): void {
  save(fileName(what, isSimulated, "csv"), new Blob([csv(columns, rows)], { type: "text/csv" }));
}
