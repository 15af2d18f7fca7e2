// The token that reading may need: kept for this tab, or on this machine if the reader wants that. It leaves the page
// in a header or a subprotocol only: addresses end up in logs and histories.

const KEY = "fulltape.token";
const SHAPE = /^ft_[\w-]+$/;

/** Return whether `text` can be a token; only such a text can stand in a header. */
export function isToken(text: string): boolean {
  return SHAPE.test(text);
}

/** Return the token that is kept, or null. */
export function keptToken(): string | null {
  const token = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
  return token !== null && isToken(token) ? token : null;
}

/** Keep a token for this tab; `isRemembered` for all of them, and after the browser has been closed. */
export function keepToken(token: string, isRemembered: boolean): void {
  forgetToken();
  (isRemembered ? localStorage : sessionStorage).setItem(KEY, token);
}

/** Keep no token any more. */
export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

/** Return the header that carries a token. */
export function headersOf(token: string | null): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** Return the subprotocols that carry a token: a browser sets no headers on a WebSocket. */
export function protocolsOf(token: string | null): string[] {
  return token === null ? [] : ["fulltape", `bearer.${token}`];
}
