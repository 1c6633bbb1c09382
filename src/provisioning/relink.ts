/** A person says which account at a target is whose. */
import { fixSubject } from '#core/aliases/aliases.ts';
import { requireApplication } from '#core/applications/applications.ts';
import { record } from '#core/events/events.ts';
import { groupsOf } from '#core/groups/groups.ts';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { profilesFor } from '#core/profile/profile.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueueAll } from '#kit/queue/queue.ts';
import { forgetMember } from './groups.store.ts';
import { isWanted } from './groups.ts';
import { subjectJob } from './intake.ts';
import { linksOf, writeLink } from './links.store.ts';
import { deletePlans } from './plans.store.ts';
import * as store from './strangers.store.ts';
import { type ProvisioningNeeds, requireTarget } from './targets.ts';
import { note } from './timeline.ts';

/**
 * Links a person to an account the last listing saw, and looks at it anew. One they were linked to before is nobody's
 * from then on. Refuses with `not-found`, `person-unknown`, and `conflict` where the account is another person's.
 */
export async function relink(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets'>,
  application: string,
  person: string,
  remoteId: string,
): Promise<void> {
  const target = await requireTarget(tx, application);
  await requirePerson(tx, person);
  const account = await store.lockListed(tx, application, remoteId);
  if (!account) throw new Problem('not-found');
  if (account.holder !== undefined && account.holder !== person) throw taken();
  const before = (await linksOf(tx, application, [person])).get(person);
  if (before?.remoteId === remoteId && before.state === 'linked') return;
  const externalId = await externalIdOf(tx, needs, application, person, before?.externalId);
  const { externalId: carried, accountId, active, attributes } = account;
  const remote = {
    id: remoteId,
    active,
    attributes,
    ...(carried !== undefined && { externalId: carried }),
    ...(accountId !== undefined && { accountId }),
  };
  try {
    if (!(await writeLink(tx, { application, person, externalId, account: remote }))) throw taken();
  } catch (error) {
    if ((error as { code?: unknown }).code === '23505') throw taken();
    throw error;
  }
  // Memberships belong to the account: the new one is put into its groups, the old one stays where it is.
  await forgetMember(tx, application, person);
  await store.writeDecision(tx, application, remoteId, undefined);
  const subject = `person:${person}`;
  await deletePlans(tx, application, [subject, `stranger:${remoteId}`]);
  await record(tx, 'account.provisioned', {
    person,
    application,
    data: { change: 'linked', remote: remoteId },
  });
  const by = tx.actor.name ?? tx.actor.kind;
  const text = `${by} said that the account ${remoteId} is this person's.`;
  await note(tx, { application, subject, kind: 'queued', text, actor: by });
  const groups = (await groupsOf(tx, [person])).get(person) ?? [];
  const wanted = groups.filter(({ name }) => isWanted(target, name));
  await enqueueAll(tx, [
    subjectJob(application, subject, { cause: 'button', actor: by }),
    ...wanted.map(({ id }) => subjectJob(application, `group:${id}`, { cause: 'members', actor: by })),
  ]);
}

function taken(): Problem {
  return new Problem('conflict', { detail: 'this account is linked to another person' });
}

/** The one their account was made with; else the subject the app knows them by from now on. */
async function externalIdOf(
  tx: Tx,
  needs: Pick<ProvisioningNeeds, 'secrets'>,
  application: string,
  person: string,
  known: string | undefined,
): Promise<string> {
  if (known) return known;
  const app = await requireApplication(tx, application);
  const [profile] = await profilesFor(tx, needs.secrets, app, [person]);
  if (!profile) throw new Problem('person-unknown');
  return profile.subjectFixed ? profile.subject : fixSubject(tx, app, person, profile.subject);
}
