// Where the API is, as seen from whichever page this is.

import { PAGES, rootFrom } from "../pages";

/** The parameters of a call; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Return the way from the page at `address` to the dashboard's root. */
export function rootOf(address: string): string {
  const folder = new URL(address).pathname.replace(/[^/]*$/, "");
  const page = PAGES.find(({ path }) => path !== "" && folder.endsWith(`/${path}`));
  return rootFrom(page?.path ?? "");
}

/** Return the address of the call `name` of the API, or of another part of the server if that begins with a slash. */
export function apiUrl(name: string, query: Query = {}): URL {
  const path = name.startsWith("/") ? name.slice(1) : `api/v1/${name}`;
  const url = new URL(`${rootOf(document.baseURI)}${path}`, document.baseURI);
  url.hash = url.search = "";
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(key, String(value));
  }
  return url;
}

/** Return the address of the stream. */
export function streamUrl(): string {
  const url = apiUrl("stream");
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
