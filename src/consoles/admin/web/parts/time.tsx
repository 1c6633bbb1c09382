/** Moments: relative to read, exact on hover and in the source, in the reader's own zone and language. */
import { useEffect, useState } from 'preact/hooks';

const language = document.documentElement.lang || 'en';
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
const exact = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'long' });
const day = new Intl.DateTimeFormat(language, { dateStyle: 'medium' });
const shortDay = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });
const number = new Intl.NumberFormat(language);

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** "3 hours ago". */
export function ago(at: Date, now = new Date()): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return relative.format(unit === 'second' && Math.abs(seconds) < 45 ? 0 : Math.round(seconds / size), unit);
}

export const shortDayOf = (at: Date): string => shortDay.format(at);
const minute = new Intl.DateTimeFormat(language, { timeStyle: 'short' });
export const minuteOf = (at: Date): string => minute.format(at);
export const dayOf = (at: Date): string => day.format(at);
export const count = (value: number): string => number.format(value);

/** All times on the page move on together. */
const watchers = new Set<() => void>();
setInterval(() => {
  for (const watcher of watchers) watcher();
}, 30_000);

export function Time({ at }: { at: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const watcher = () => tick((one) => one + 1);
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }, []);
  const date = new Date(at);
  return (
    <time dateTime={at} title={exact.format(date)}>
      {ago(date)}
    </time>
  );
}
