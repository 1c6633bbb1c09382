/** A state: a shape, a word, and only then a colour. */
import { words } from '#consoles/admin/web/words.ts';
import { Icon, type Tone, toneClass } from './icons.tsx';

export function Badge({ tone, label }: { tone: Tone; label: string }) {
  return (
    <span class={`badge ${toneClass(tone)}`}>
      <Icon shape={tone} size={12} />
      {label}
    </span>
  );
}

export type PersonState = keyof typeof words.states;

const tones: Record<PersonState, Tone> = {
  active: 'success',
  unverified: 'info',
  locked: 'warning',
  suspended: 'warning',
  spam: 'danger',
  left: 'neutral',
  erased: 'neutral',
  merged: 'neutral',
};

/** The standing of a person. */
export function StateBadge({ state }: { state: PersonState }) {
  return <Badge tone={tones[state]} label={words.states[state]} />;
}
