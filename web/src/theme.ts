// Dark or light: dark, until the reader says otherwise.

export type Theme = "dark" | "light";

const KEY = "fulltape.theme";

/** Return the reader's choice; dark without one. */
export function preferredTheme(): Theme {
  return localStorage.getItem(KEY) === "light" ? "light" : "dark";
}

/** Show the page in `theme`. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}

/** Remember the reader's choice. */
export function rememberTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
}
