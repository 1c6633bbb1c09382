/**
 * Takes back what was given once its ground is gone: a session, a person's standing, their password, an agreement, an
 * app. Where requests are not refused from the commit on anyway (admission.ts), they are once this has emptied the
 * shelves: within seconds, on whichever node.
 */
import { subjectsOf } from '#core/aliases/erasure.ts';
import { findApplication } from '#core/applications/applications.ts';
import { erasedIn, type LoggedEvent } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { sessionIdsOf } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { RowNeeds } from './payload-rows.ts';
import { endRow } from './sealed-tokens.ts';
import { deleteWithin, type Reach, replaceLogoutSubjects, savePayloads } from './store.ts';

/** Reader of the log that deletes codes, tokens and grants. */
export function withdrawalReader(needs: RowNeeds): LogReader {
  return {
    reader: 'oidc-withdrawal',
    from: 'beginning',
    acts: [
      'session.ended',
      'person.left',
      'password.set',
      'consent.withdrawn',
      'application.removed',
      'application.changed',
    ],
    async handle(tx, events) {
      for (const event of events) {
        const reach = await reachOf(tx, event);
        if (reach) await withdraw(tx, needs, reach, event.at);
      }
      for (const person of erasedIn(events)) await forgetSubjects(tx, person);
    },
  };
}

async function withdraw(tx: Tx, needs: RowNeeds, reach: Reach, until: Date): Promise<void> {
  await deleteWithin(tx, reach, until);
  const { application, person } = reach;
  if (application && !person) await savePayloads(tx, [endRow(needs, 'app', application, until)]);
}

/** How earlier sign-outs went stays known, without names that an app knew an erased person by. */
async function forgetSubjects(tx: Tx, person: string): Promise<void> {
  const sessions = await sessionIdsOf(tx, person);
  for (const [application, subject] of await subjectsOf(tx, person))
    await replaceLogoutSubjects(tx, { sessions, application, subject });
}

async function reachOf(tx: Tx, event: LoggedEvent): Promise<Reach | undefined> {
  const { type, person, application } = event;
  if (type === 'session.ended') return { session: (event as LoggedEvent<'session.ended'>).data.session };
  if (type === 'person.left') return { person };
  // What sessions carry falls with the sessions that end.
  if (type === 'password.set') return { person, offline: true };
  if (type === 'consent.withdrawn') return { person, application };
  if (type === 'application.removed') return { application };
  if (type !== 'application.changed' || !application) return undefined;
  const now = await findApplication(tx, application);
  return now?.settings.enabled && now.settings.oidc ? undefined : { application };
}
