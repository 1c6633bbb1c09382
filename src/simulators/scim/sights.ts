/** Delayed sight: what lists and filters show of a resource that was written a moment ago. */
import type { Clock } from '#kit/clock/clock.ts';
import type { Resource, Snapshot } from './resources.ts';

interface Past extends Snapshot {
  /** The moment this stopped being so, in milliseconds. */
  until: number;
  existed: boolean;
}

export function createSights({ lagMs, clock }: { lagMs: number; clock: Clock }) {
  const past = new Map<Resource, Past[]>();
  const now = () => clock.now().getTime();
  return {
    /** Before a write: what the resource still is, or that it is not there yet. */
    remember(resource: Resource, existed: boolean): void {
      if (lagMs <= 0) return;
      const { version, modified, body, members } = resource;
      const entry = { version, modified, body, members, existed, until: now() };
      past.set(resource, [...(past.get(resource) ?? []), entry]);
    },
    /** Resources that may be seen otherwise than they are, also those that are gone. */
    changed: () => [...past.keys()],
    /** The state of `lagMs` ago; `current` is what it is now. */
    seen(resource: Resource, current: () => Resource | undefined): Resource | undefined {
      const left = past.get(resource)?.filter(({ until }) => until > now() - lagMs) ?? [];
      if (left.length > 0) past.set(resource, left);
      else past.delete(resource);
      const [then] = left;
      if (!then) return current();
      return then.existed ? { ...resource, ...then } : undefined;
    },
    clear: () => past.clear(),
  };
}
