/** Icons of the frame: 16-px strokes in `currentColor`, own drawings. Decorative: the control they stand in has a name. */
const PATHS: Record<string, string> = {
  overview: "M2.5 8.5a5.5 5.5 0 1111 0M8 8.5l2.6-2.9M3 12.5h10",
  orders: "M2.5 4h11M2.5 8h11M2.5 12h7",
  workflows: "M3 3.5h3v3H3zM10 9.5h3v3h-3zM6 5h2.5v6H10",
  history: "M2.6 8a5.4 5.4 0 105.4-5.4A5.4 5.4 0 003.6 5M2.6 2.6v2.6h2.6M8 5.2V8l2 1.5",
  plan: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v3M10.5 2v3M5 9.5h3M9 11.5h2",
  calendar: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v3M10.5 2v3M5 9h1M7.5 9h1M10 9h1M5 11.3h1M7.5 11.3h1",
  audit: "M3.5 2.5h9v11h-9zM6 5.5h4M6 8h4M6 10.5l1 1 2-2",
  access: "M6 7.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5zM1.8 13.5c.3-2.8 2-4.2 4.2-4.2s3.9 1.4 4.2 4.2M11 6.5l1.2 1.2 2-2.2",
  clusters: "M2.5 3h4v4h-4zM9.5 9h4v4h-4zM6.5 5H11.5V9M9.5 11H4.5V7",
  bell: "M4 11.5V7a4 4 0 018 0v4.5M2.8 11.5h10.4M6.8 13.8h2.4M8 3V1.8",
  search: "M7 11.5a4.5 4.5 0 100-9 4.5 4.5 0 000 9zM10.4 10.4L14 14",
  play: "M4.5 3v10L13 8z",
  pause: "M5.5 3v10M10.5 3v10",
  stop: "M4 4h8v8H4z",
  plus: "M8 3v10M3 8h10",
  code: "M5.5 4L2 8l3.5 4M10.5 4L14 8l-3.5 4",
  link: "M6.5 9.5l3-3M7 5l1.6-1.6a2.4 2.4 0 013.4 3.4L10.4 8.4M9 11l-1.6 1.6A2.4 2.4 0 014 9.2l1.6-1.6",
  sun: "M8 10.8a2.8 2.8 0 100-5.6 2.8 2.8 0 000 5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13 9.6A5.4 5.4 0 116.4 3a4.3 4.3 0 006.6 6.6z",
  system: "M2.5 3.5h11v7h-11zM6 13.2h4",
  help: "M8 14a6 6 0 100-12 6 6 0 000 12zM6.3 6.4c0-2.2 3.4-2.1 3.4-.1 0 1.4-1.7 1.4-1.7 2.8M8 11v.2",
  leave: "M6 3H3v10h3M7 8h6.5M11 5.5L13.5 8 11 10.5",
  log: "M3 2.5h10v11H3zM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
  resume: "M3.2 3v10M6.5 3.5v9L13 8z",
  close: "M4 4l8 8M12 4l-8 8",
  chevron: "M6 4l4 4-4 4",
  down: "M8 3v9M4.5 8.5L8 12l3.5-3.5",
  up: "M8 13V4M4.5 7.5L8 4l3.5 3.5",
  download: "M8 2.5v7.5M5 7.5L8 10.5l3-3M3 13.5h10",
  wrap: "M2.5 4h11M2.5 8h8.5a2 2 0 010 4H8.5M10 10.5L8.5 12l1.5 1.5",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  fit: "M2.5 6v-3.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  minus: "M3 8h10",
  turn: "M3 5h8l-2.2-2.2M13 11H5l2.2 2.2",
  shell: "M2.5 3.5h11v9h-11zM5 6.3L7 8 5 9.7M8.3 10h2.6",
  program: "M5 5h6v6H5zM6.5 2.5V5M9.5 2.5V5M6.5 11v2.5M9.5 11v2.5M2.5 6.5H5M2.5 9.5H5M11 6.5h2.5M11 9.5h2.5",
  shield: "M8 2l5 2v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4z",
  repeat: "M3 8a5 5 0 018.6-3.4L13 6M13 3v3h-3M13 8a5 5 0 01-8.6 3.4L3 10M3 13v-3h3",
  fork: "M8 2v3M8 5c0 3-4.5 2.5-4.5 6V14M8 5c0 3 4.5 2.5 4.5 6V14M8 5v9",
  branch: "M8 1.8L14.2 8 8 14.2 1.8 8z",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 015 0v2.5",
  hand: "M5.2 8.4V4.1a1 1 0 012 0V7m0-.4V2.9a1 1 0 012 0v3.9m0-3a1 1 0 012 0v3.7m0-1.6a1 1 0 012 0v3.4c0 2.9-1.7 4.6-4.3 4.6-2.3 0-3.2-.9-4.2-2.7L2.7 8.9c-.4-.9.8-1.5 1.5-.7l1 1.2",
  sleep: "M13 9.6A5.4 5.4 0 116.4 3a4.3 4.3 0 006.6 6.6z",
  fail: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM6 6l4 4M10 6l-4 4",
  finish: "M8 13.5a5.5 5.5 0 100-11 5.5 5.5 0 000 11zM8 10.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5z",
  flag: "M4 14V2.5M4 3h8l-2 2.8 2 2.7H4",
  gear: "M8 10.2a2.2 2.2 0 100-4.4 2.2 2.2 0 000 4.4zM8 2v1.8M8 12.2V14M2 8h1.8M12.2 8H14M3.8 3.8L5 5M11 11l1.2 1.2M3.8 12.2L5 11M11 5l1.2-1.2",
  dot: "M8 9a1 1 0 100-2 1 1 0 000 2z",
  question: "M6 6.2c0-2.6 4-2.5 4-.1 0 1.7-2 1.7-2 3.4M8 12.2v.2",
  inventory: "M2.5 5.5L8 2.5l5.5 3v5L8 13.5l-5.5-3zM2.5 5.5L8 8.5l5.5-3M8 8.5v5",
  deployments: "M8 10V2.5M5 5.2L8 2.2l3 3M2.5 10v3.5h11V10",
  folder: "M2 4h4.2l1.5 1.8H14V13H2z",
  schedule: "M8 14A6 6 0 108 2a6 6 0 000 12zM8 4.6V8l2.4 1.7",
  box: "M2.5 4.5h11v9h-11zM2.5 7.5h11M6 4.5v-2h4v2M7 10.2h2",
  eye: "M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8zM8 9.8a1.8 1.8 0 100-3.6 1.8 1.8 0 000 3.6z",
  trash: "M2.8 4.2h10.4M6.2 4.2V2.5h3.6v1.7M4 4.2l.7 9.3h6.6l.7-9.3M6.7 6.8v4.2M9.3 6.8v4.2",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  save: "M2.8 2.8h8.2l2.2 2.2v8.2H2.8zM5.2 2.8V6h5V2.8M5.2 13.2V9h5.6v4.2",
  upload: "M8 10.5V3M5 5.7L8 2.7l3 3M3 13.5h10",
  computer: "M2.5 3.5h11v7h-11zM6 13.2h4M8 10.5v2.7",
};

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name] ?? PATHS["question"]} />
    </svg>
  );
}
