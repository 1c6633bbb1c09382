/** How long a sign-in lasts: what was chosen at it, as far as the community offers it. The server's clock decides, not the cookie's. */
import type { Community } from '#core/community/community.ts';
import type { Lifetimes } from '#core/sessions/sessions.ts';

/** What was chosen at the sign-in; `shared` is a computer that others use too. Nothing chosen = the community's own times. */
export type Stay = 'shared' | Community['sessions']['choices'][number];

const seconds = { hour: 3600, day: 86_400, week: 7 * 86_400, month: 30 * 86_400 } as const;

/** What a form said. Whether the community offers it is looked at when the session opens (`lifetimesOf`). */
export function readStay(shared: boolean, chosen: string): Stay | undefined {
  if (shared) return 'shared';
  return (Object.keys(seconds) as (keyof typeof seconds)[]).find((one) => one === chosen);
}

/**
 * The times of a new session. A choice survives the browser being closed and lasts whole, as the person was told; a shared
 * computer's session ends with the browser, and after its minutes even while it is used.
 */
export function lifetimesOf(
  sessions: Community['sessions'],
  { persistent, stay }: { persistent: boolean; stay?: Stay },
): { persistent: boolean; shared: boolean; lifetimes: Lifetimes } {
  const lasting = (most: number) => ({ idleSeconds: most, absoluteSeconds: most });
  if (stay === 'shared') {
    const minutes = sessions.sharedMinutes || 30;
    return { persistent: false, shared: true, lifetimes: lasting(minutes * 60) };
  }
  if (stay && sessions.choices.includes(stay))
    return { persistent: true, shared: false, lifetimes: lasting(seconds[stay]) };
  if (persistent && sessions.choices.length === 0 && sessions.rememberDays > 0)
    return { persistent: true, shared: false, lifetimes: lasting(sessions.rememberDays * 86_400) };
  return {
    persistent: false,
    shared: false,
    lifetimes: { idleSeconds: sessions.idleMinutes * 60, absoluteSeconds: sessions.absoluteMinutes * 60 },
  };
}
