/** The few shapes pages use, drawn here; each stands beside a word and is hidden from screen readers. */
import type { Html } from './html.ts';
import { raw } from './html.ts';

function shape(size: number, body: string): Html {
  return raw(
    `<svg width="${size}" height="${size}" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${body}</svg>`,
  );
}

export const icons = {
  info: shape(18, '<circle cx="8" cy="8" r="6.5"/><path d="M8 7.5v3.5M8 5h.01"/>'),
  success: shape(18, '<circle cx="8" cy="8" r="6.5"/><path d="m5.2 8.2 2 2 3.6-4"/>'),
  warning: shape(18, '<path d="M8 1.9 14.6 13.6H1.4zM8 6.4v3.2M8 11.7h.01"/>'),
  danger: shape(18, '<path d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3zM8 4.9v3.6M8 11.1h.01"/>'),
  neutral: shape(18, '<circle cx="8" cy="8" r="6.5"/><path d="M5 8h6"/>'),
  dot: shape(18, '<circle cx="8" cy="8" r="3" fill="currentColor"/>'),
  down: shape(12, '<path d="m3 6 5 5 5-5"/>'),
  box: shape(32, '<path stroke-width="1" d="M2 5.5 8 2.5l6 3v6l-6 3-6-3zM2 5.5l6 3 6-3M8 8.5v6"/>'),
  /** The generic mark: a gate with a handle, for a community without a logo. */
  mark: raw(
    '<svg viewBox="0 0 32 32" fill="currentColor" aria-hidden="true"><path fill-rule="evenodd" d="M7 28V14a9 9 0 0 1 18 0v14h-4V14.5a5 5 0 0 0-10 0V28zm-4 0h26v2H3zm11.5-9a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0"/></svg>',
  ),
} as const;

export type Tone = 'info' | 'success' | 'warning' | 'danger' | 'neutral';

/** The CSS class of a tone (a danger *button* is another thing than a danger tone). */
export function toneClass(tone: Tone): string {
  return tone === 'danger' ? 'danger-tone' : tone;
}
