import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "nextplay.theme";

/** The appearance that is chosen on this device, and was chosen before. */
export function openTheme() {
  const stored = localStorage.getItem(KEY);
  const chosen = signal<Theme>(stored === "light" || stored === "dark" ? stored : "auto");
  function show() {
    if (chosen.value === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = chosen.value;
  }
  show();
  return {
    chosen,
    choose(theme: Theme) {
      chosen.value = theme;
      localStorage.setItem(KEY, theme);
      show();
    },
  };
}
