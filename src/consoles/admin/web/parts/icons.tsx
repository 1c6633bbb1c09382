/** The few shapes of the console; each stands beside a word and is hidden from screen readers. */
export type Tone = 'info' | 'success' | 'warning' | 'danger' | 'neutral';

const paths: Record<Tone | 'search' | 'back' | 'gone' | 'box', string> = {
  info: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 7.5v3.5M8 5h.01',
  success: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5.2 8.2l2 2 3.6-4',
  warning: 'M8 1.9 14.6 13.6H1.4zM8 6.4v3.2M8 11.7h.01',
  danger: 'M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3zM8 4.9v3.6M8 11.1h.01',
  neutral: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5 8h6',
  search: 'M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM10.5 10.5l3.8 3.8',
  back: 'M9.5 3 4.5 8l5 5',
  gone: 'M4 4l8 8M12 4l-8 8',
  box: 'M2 5.5 8 2.5l6 3v6l-6 3-6-3zM2 5.5l6 3 6-3M8 8.5v6',
};

export function Icon({ shape, size = 18 }: { shape: keyof typeof paths; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width={size > 24 ? 1 : 1.75}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={paths[shape]} />
    </svg>
  );
}

/** The CSS class of a tone (a danger button is another thing than a danger tone). */
export function toneClass(tone: Tone): string {
  return tone === 'danger' ? 'danger-tone' : tone;
}
