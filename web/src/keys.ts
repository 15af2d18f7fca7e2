// Keys that mean something on a page, unless the reader is writing.

/** Return whether a key went to where the reader writes or chooses. */
export function isTyping(event: KeyboardEvent): boolean {
  return event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
}
