import { type AliasInput, assignAliases } from '#core/aliases/aliases.ts';
import { ensureMailboxes } from '#core/aliases/mailboxes.ts';
import { insertPasswords } from '#core/credentials/credentials.ts';
import { type NewEvent, recordAll } from '#core/events/events.ts';
import { addMembers } from '#core/groups/groups.ts';
import { cleanLine, longestDisplayName, parseAddress, usernameKey } from '#core/people/names.ts';
import { displayNameOf, insertAddresses, insertPeople, type PersonState } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';

export interface Joiner {
  /** Checked by the caller against the rule for new names, or kept as a legacy name. */
  username: string;
  givenName?: string;
  familyName?: string;
  displayName?: string;
  locale?: string;
  state: Extract<PersonState, 'unverified' | 'active' | 'locked' | 'left'>;
  stateReason?: string;
  /** `sign-up`, `apply`, `admin`, or the name of a source. */
  origin: string;
  addresses: readonly { address: string; primary: boolean; verified: boolean }[];
  password?: { hash: string; scheme: string; needsWrap: boolean; imported: boolean };
  aliases?: readonly { application: string; alias: string }[];
  /** Ids of groups. */
  groups?: readonly string[];
}

export interface Joined {
  id: string;
  joiner: Joiner;
}

/** One person joins. Refuses with `username-taken` when the name is or was another's. */
export async function join(tx: Tx, joiner: Joiner): Promise<string> {
  const { joined } = await joinMany(tx, [joiner]);
  const first = joined[0];
  if (!first) throw new Problem('username-taken', { fields: { username: 'username-taken' } });
  return first.id;
}

/**
 * Many people join with a handful of statements. Names taken meanwhile come back as refused; everything else of the
 * batch is kept. Addresses must already be known to be free where they are marked verified (the index refuses).
 */
export async function joinMany(
  tx: Tx,
  joiners: readonly Joiner[],
): Promise<{ joined: Joined[]; refused: Joiner[] }> {
  const rows = joiners.map((joiner) => ({ id: newId(), joiner, person: personRow(joiner) }));
  const won = await insertPeople(
    tx,
    rows.map((row) => ({ id: row.id, ...row.person })),
  );
  const joined = rows.filter((row) => won.has(row.id));
  await insertAddresses(tx, joined.flatMap(addressRows));
  await insertPasswords(
    tx,
    joined.flatMap(({ id, joiner }) => (joiner.password ? [{ person: id, ...joiner.password }] : [])),
  );
  await recordAll(tx, joined.map(joinedEvent));
  await assignGivenAliases(tx, joined);
  await giveMailboxes(tx, joined);
  await enterGroups(tx, joined);
  return { joined, refused: rows.filter((row) => !won.has(row.id)).map((row) => row.joiner) };
}

function personRow(joiner: Joiner) {
  const username = joiner.username;
  const givenName = cleanLine(joiner.givenName ?? '');
  const familyName = cleanLine(joiner.familyName ?? '');
  const displayName =
    cleanLine(joiner.displayName ?? '', longestDisplayName) ||
    displayNameOf({ givenName, familyName, username });
  return {
    username,
    usernameKey: usernameKey(username),
    givenName,
    familyName,
    displayName,
    locale: joiner.locale,
    state: joiner.state,
    stateReason: joiner.stateReason,
    origin: joiner.origin,
  };
}

function addressRows({ id, joiner }: Joined) {
  return joiner.addresses.map((one) => {
    const { address, key } = parseAddress(one.address);
    return { id: newId(), person: id, address, key, primary: one.primary, verified: one.verified };
  });
}

function joinedEvent({ id, joiner }: Joined): NewEvent {
  const data = { state: joiner.state, origin: joiner.origin, username: joiner.username };
  return { type: 'person.joined', person: id, data } as NewEvent<'person.joined'>;
}

async function assignGivenAliases(tx: Tx, joined: readonly Joined[]): Promise<void> {
  const aliases: AliasInput[] = joined.flatMap(({ id, joiner }) =>
    (joiner.aliases ?? []).map((one) => ({ ...one, person: id })),
  );
  const { refused } = await assignAliases(tx, aliases, joined[0]?.joiner.origin ?? 'admin');
  if (refused.length > 0) throw new Problem('alias-taken');
}

/** A sign-up has none until its address is proved: nobody takes a mailbox away from others by typing a name. */
async function giveMailboxes(tx: Tx, joined: readonly Joined[]): Promise<void> {
  const proved = joined.filter(({ joiner }) => joiner.state !== 'unverified');
  await ensureMailboxes(
    tx,
    proved.map(({ id, joiner }) => ({ id, ...personRow(joiner) })),
  );
}

async function enterGroups(tx: Tx, joined: readonly Joined[]): Promise<void> {
  const members = new Map<string, string[]>();
  for (const { id, joiner } of joined) {
    for (const group of joiner.groups ?? []) members.set(group, [...(members.get(group) ?? []), id]);
  }
  for (const [group, people] of members) await addMembers(tx, group, people);
}
