/** Drawn on a 24×24 grid with a round stroke. */
const PATHS = {
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  film: "M4 5h16v14H4zM8 5v14M16 5v14M4 10h4m-4 4h4m8-4h4m-4 4h4",
  heart:
    "M12 20s-7.5-4.6-9-9.2C2 7.5 4.2 5 7 5c2.2 0 3.8 1.3 5 3 1.2-1.7 2.8-3 5-3 2.8 0 5 2.5 4 5.8C19.5 15.4 12 20 12 20z",
  compass: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm3.5 5.5-2 5-5 2 2-5z",
  bell: "M6 10a6 6 0 1 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7zm4 10a2.2 2.2 0 0 0 4 0",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.8v4.4M8.5 14.8v4.4",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8 5v14M16 5v14",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19.5 7",
  alert: "M12 4 2.8 19.5h18.4zM12 10v4.5m0 2.4v.1",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 4.5V12l3 2",
  trash: "M5 7h14M10 7V4.5h4V7m3.5 0-.8 12.5H7.3L6.5 7M10.5 11v5m3-5v5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  retry: "M4 12a8 8 0 1 1 2.5 5.8M4 19v-5h5",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  back: "M14.5 5.5 8 12l6.5 6.5",
  more: "M9.5 5.5 16 12l-6.5 6.5",
  person: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20c.8-4 3.8-5.5 7.5-5.5s6.7 1.5 7.5 5.5",
  out: "M14 4h5v16h-5M4 12h10m0 0-4-4m4 4-4 4",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon beside a text that says the same; hidden from screen readers. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo-mark" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <rect class="logo-ground" width="64" height="64" rx="16" />
      <path class="logo-play" d="M17 18.5a3 3 0 0 1 4.6-2.5l17.6 13.5a3 3 0 0 1 0 5L21.6 48a3 3 0 0 1-4.6-2.5z" />
      <rect class="logo-play" x="43" y="16" width="7" height="32" rx="3.5" />
    </svg>
  );
}
