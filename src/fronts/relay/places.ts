/**
 * Places in the day's budgets of apps and people. Messages that are judged at the same time take theirs with one
 * statement, as long as there is room for all of them; at the edge each takes its own.
 */
import type { Database } from '#kit/db/database.ts';
import { together } from '#kit/db/together.ts';
import { giveBackPlace, type Place, takeAllPlaces, takePlace, type WantedPlace } from './judge.store.ts';

export interface Places {
  /** Takes one of both. Returns whose budget is used up; undefined when both had a place. */
  take(place: WantedPlace): Promise<'person' | 'app' | undefined>;
  /** For a message that was not passed on after all. */
  giveBack(place: Place): Promise<void>;
}

type Taken = { full?: 'person' | 'app' } | { error: unknown };

export function createPlaces(database: Pick<Database, 'query'>): Places {
  const alone = async (place: WantedPlace): Promise<Taken> => {
    try {
      return { full: await takePlace(database, place) };
    } catch (error) {
      return { error };
    }
  };
  const take = together(async (places: readonly WantedPlace[]): Promise<Taken[]> => {
    const shared = places.length > 1 && (await takeAllPlaces(database, places).catch(() => false));
    return shared ? places.map(() => ({})) : Promise.all(places.map(alone));
  });
  return {
    async take(place) {
      const taken = await take(place);
      if ('error' in taken) throw taken.error;
      return taken.full;
    },
    giveBack: (place) => giveBackPlace(database, place),
  };
}
