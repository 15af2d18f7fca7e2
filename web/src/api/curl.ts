// A call as somebody types it in a shell.

import { apiUrl } from "./address";
import type { Call } from "./call";

/**
 * Return the command that makes a GET call. A token is named by the variable that fulltape's own commands take it from:
 * a secret on the screen ends up in screenshots. `isEndless` is for what sends on and on.
 */
export function curlOf({ name, query }: Call, hasToken: boolean, isEndless = false): string {
  const flags = [...(isEndless ? ["-N"] : []), ...(hasToken ? ['-H "Authorization: Bearer $FULLTAPE_TOKEN"'] : [])];
  // In a query URL writes a quote as %27; what stands in single quotes means nothing to a shell.
  return ["curl", ...flags, `'${apiUrl(name, query).href}'`].join(" ");
}
