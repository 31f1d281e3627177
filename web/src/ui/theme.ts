import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "nextplay.theme";

/** The appearance that was chosen on this device. */
export const theme = signal<Theme>("auto");

/** Shows the page in what was chosen before. */
export function restoreTheme() {
  const stored = localStorage.getItem(KEY);
  setTheme(stored === "light" || stored === "dark" ? stored : "auto");
}

export function setTheme(chosen: Theme) {
  theme.value = chosen;
  localStorage.setItem(KEY, chosen);
  if (chosen === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}
