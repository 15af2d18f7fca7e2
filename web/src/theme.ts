// Dark or light: as the system asks, until the reader says otherwise.

export type Theme = "dark" | "light";

const KEY = "fulltape.theme";

/** Return the reader's choice, else the system's; dark if it has none. */
export function preferredTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  if (stored === "dark" || stored === "light") return stored;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** Show the page in `theme`. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}

/** Remember the reader's choice. */
export function rememberTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
}
