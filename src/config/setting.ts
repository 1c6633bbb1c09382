/** What a setting is: declared once, with its text, its default and where it may come from. */
import ipaddr from 'ipaddr.js';
import type { Kind } from './kinds.ts';

/** Values read so far, by key: what a default may be made from. */
export type Known = Readonly<Record<string, unknown>>;

export interface Setting<T> {
  section: (typeof sections)[number];
  env: string;
  kind: Kind<T>;
  text: string;
  example: string;
  default?: T;
  /** A default made from other settings (declared earlier), and how the documentation says it. */
  derived?: { from: readonly string[]; make(known: Known): T; text: string };
  /** Never in the settings file: by environment, or by a file that `fileEnv` (or `<key>File` in the settings file) names. */
  secret?: { fileEnv?: string };
}

export const sections = [
  'Where it runs',
  'Addresses and ports',
  'Mail',
  'Database and keys',
  'Protection',
] as const;

export function setting<T, const Rest extends Omit<Setting<T>, 'kind'>>(
  kind: Kind<T>,
  rest: Rest,
): Rest & { kind: Kind<T> } {
  return { ...rest, kind };
}

/** True for names and addresses that never leave this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true;
  return ipaddr.isValid(bare) && ipaddr.process(bare).range() === 'loopback';
}
