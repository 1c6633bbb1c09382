/** Who is erased is nobody's at any upstream: the links go, and whoever comes back from there is someone new. */
import { erasedIn } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { forgetUpstreamsOf } from '#core/sessions/upstreams.ts';
import { unlinkAll } from './links.ts';

export const linkErasureReader: LogReader = {
  reader: 'upstream-erasure',
  from: 'beginning',
  acts: ['person.left'],
  async handle(tx, events) {
    for (const person of erasedIn(events)) {
      await unlinkAll(tx, person);
      await forgetUpstreamsOf(tx, person);
    }
  },
};
