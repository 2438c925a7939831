/** Line drawings on a grid of 20; the name says what for. */
const drawings = {
  logo: 'M5 3.5h6.5a3.75 3.75 0 0 1 0 7.5H5zM5 3v14M10.5 11l4.5 6',
  live: 'M10 10h.01M6.5 13.5a5 5 0 0 1 0-7M13.5 6.5a5 5 0 0 1 0 7M4 16a8.5 8.5 0 0 1 0-12M16 4a8.5 8.5 0 0 1 0 12',
  ledger: 'M4 4h12v12H4zM4 8h12M8 8v8',
  missed: 'M3 6l7 6 5-5M15 11V7h-4M3 15h14',
  chart: 'M4 4v12h12M7 13v-3M10.5 13V7M14 13V9',
  person: 'M10 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17a6 6 0 0 1 12 0',
  people:
    'M7.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM2.5 16a5 5 0 0 1 10 0M13 4.7a2.5 2.5 0 0 1 0 4.600M14.500 11.500a5 5 0 0 1 3 4.500',
  lead: 'M4 4h12l-4.5 6v6l-3-1.5V10z',
  task: 'M4 5.5l1.5 1.5L8 4.5M10.5 6H17M4 13.5L5.500 15 8 12.500M10.500 14H17',
  send: 'M3 10l14-6-5 13-2.500-5.500z',
  check: 'M4 10.500l4 4 8-9',
  route:
    'M5 15.500a1.500 1.500 0 1 0 0-.01M15 4.500a1.500 1.500 0 1 0 0-.01M6.500 15.500H12a3 3 0 0 0 0-6H8a2.500 2.500 0 0 1 0-5h5.500',
  code: 'M7 6l-4 4 4 4M13 6l4 4-4 4',
  health: 'M3 10h3l2-5 4 10 2-5h3',
  key: 'M12.500 11.500a4 4 0 1 0-4-4L3 13v4h4v-2h2v-2z',
  hook: 'M10 3v8M10 11a3.5 3.5 0 1 1-5 3M8 3h4',
  sliders: 'M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4',
  steps: 'M3 16h5v-4h4V8h4V4',
  menu: 'M3 5.500h14M3 10h14M3 14.500h14',
  close: 'M5 5l10 10M15 5L5 15',
  down: 'M5 7.500l5 5 5-5',
  in: 'M15 5L5 15M5 8v7h7',
  out: 'M5 15L15 5M8 5h7v7',
  inner: 'M3 7h13l-3-3M17 13H4l3 3',
  phone: 'M5 3h3l1.500 4-2 1.500a9 9 0 0 0 4 4l1.500-2 4 1.500v3a2 2 0 0 1-2 2A13 13 0 0 1 3 5a2 2 0 0 1 2-2z',
  play: 'M6 4l10 6-10 6z',
} as const;

export type IconName = keyof typeof drawings;

/** Decoration: the words next to it say the same. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={drawings[name]} />
    </svg>
  );
}
