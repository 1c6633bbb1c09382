import { eraseNamesAtApps } from '#core/aliases/erasure.ts';
import { eraseMailboxes } from '#core/aliases/mailboxes.ts';
import { forgetConsents } from '#core/applications/applications.ts';
import { community } from '#core/community/community.ts';
import { eraseCredentials } from '#core/credentials/erasure.store.ts';
import { forgetPersonalData } from '#core/events/events.ts';
import { forgetMemberships } from '#core/groups/groups.ts';
import { dismiss, rolesOf } from '#core/operators/operators.ts';
import { eraseTokens } from '#core/operators/tokens.ts';
import { erasePerson } from '#core/people/erasure.ts';
import { forgetSignIns } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';

/**
 * What erasing takes away beyond what every `leave` does; `leave` alone calls it, in its transaction. What stays: the id,
 * the subjects apps knew (never given to another), tombstones of names unless the community lets them be taken again, and
 * the events without what was personal in them. Front-owned and mailed things follow: their readers see `person.left`.
 * Returns the ids under which the person acted: the last statement of all takes the names from them.
 */
export async function erase(tx: Tx, id: string): Promise<string[]> {
  const { usernames } = await community(tx);
  for (const grant of await rolesOf(tx, id)) await dismiss(tx, { person: id, ...grant });
  const tokens = await eraseTokens(tx, id);
  await eraseCredentials(tx, id);
  await forgetMemberships(tx, id);
  await forgetConsents(tx, id);
  await forgetSignIns(tx, id);
  await eraseNamesAtApps(tx, id, usernames.reuseErased);
  await eraseMailboxes(tx, id);
  await erasePerson(tx, id, usernames.reuseErased);
  await forgetPersonalData(tx, [id]);
  return [id, ...tokens];
}
