/** What an upstream says of someone it knows is kept here again at each sign-in, as far as its settings say so. */
import { addMembers, findGroup, groupsOf, removeMembers } from '#core/groups/groups.ts';
import { attributeDeclarations, readAttributes, setAttributes } from '#core/people/attributes.ts';
import { changeNames } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Identity } from './identity.ts';
import type { UpstreamSettings } from './settings.ts';

/** Names and attributes where they are followed, groups where they are owned. */
export async function sync(
  tx: Tx,
  settings: UpstreamSettings,
  person: string,
  identity: Identity,
): Promise<void> {
  if (settings.sync === 'always') {
    const { givenName, familyName, displayName } = identity;
    await changeNames(tx, person, { givenName, familyName, displayName });
    // What does not fit its field is left as it was: nobody is kept out for it.
    const { values } = readAttributes(await attributeDeclarations(tx), identity.attributes, 'operators');
    const sound = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
    await setAttributes(tx, person, sound, 'operators');
  }
  await syncGroups(tx, settings, person, identity, 'signed-in');
}

/**
 * Mapped groups. Those it owns are as it says, each time; the others are given once, with the account. Where it did not
 * say which groups there are, nothing is taken away.
 */
export async function syncGroups(
  tx: Tx,
  settings: UpstreamSettings,
  person: string,
  identity: Identity,
  occasion: 'joined' | 'signed-in',
): Promise<void> {
  if (identity.groups === undefined || settings.groups.length === 0) return;
  const told = new Set(identity.groups);
  const mine = new Set(((await groupsOf(tx, [person])).get(person) ?? []).map((one) => one.id));
  const wanted = new Map<string, boolean>();
  for (const { from, to, owned } of settings.groups) {
    if (!owned && occasion !== 'joined') continue;
    const group = await findGroup(tx, to);
    if (group) wanted.set(group.id, told.has(from) || wanted.get(group.id) === true);
  }
  for (const [group, isIn] of wanted) {
    if (isIn && !mine.has(group)) await addMembers(tx, group, [person]);
    if (!isIn && mine.has(group)) await removeMembers(tx, group, [person]);
  }
}
