/** For erasing: the names apps knew a person's sessions by go; that and how those sessions ended stays. */
import { erasedIn } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { sessionIdsOf } from '#core/sessions/sessions.ts';
import { forgetNames } from './store.ts';

export const forgettingReader: LogReader = {
  reader: 'saml-forgetting',
  from: 'beginning',
  acts: ['person.left'],
  async handle(tx, events) {
    for (const person of erasedIn(events)) await forgetNames(tx, await sessionIdsOf(tx, person));
  },
};
