// Every page of the dashboard: what the links show, and what is built. Each has a folder with its index.html.

export interface Page {
  /** Its folder below the dashboard's root: empty, or with a slash at the end. */
  readonly path: string;
  readonly title: string;
  /** What it is for, shown on hovering. */
  readonly hint: string;
}

export const PAGES: readonly Page[] = [
  { path: "", title: "Live", hint: "Candles, trades and feeds of one instrument" },
  { path: "overview/", title: "Overview", hint: "Every instrument: prices, changes, volumes, averages, performance" },
  {
    path: "books/",
    title: "Books",
    hint: "Spread, depth and imbalance of a book, aggressors, venues beside each other",
  },
  { path: "activity/", title: "Activity", hint: "Trades, volumes and spreads of every symbol by the hour" },
  { path: "distribution/", title: "Distribution", hint: "Sizes, pauses and shares of the trades of a range" },
  { path: "quality/", title: "Quality", hint: "How complete the stored trades are, and how late they came" },
  { path: "alerts/", title: "Alerts", hint: "What was remarkable: moves, opportunities, risks" },
  { path: "topics/", title: "Topics", hint: "What is published to Kafka, and who reads it" },
  { path: "sql/", title: "SQL", hint: "Ask the tape in SQL" },
];

/** Return what the links call the page at `path`. */
export function titleOf(path: string): string {
  return PAGES.find((page) => page.path === path)?.title ?? "";
}

/** Return the dashboard's root as seen from the page at `path`. */
export function rootFrom(path: string): string {
  return path === "" ? "./" : "../";
}
