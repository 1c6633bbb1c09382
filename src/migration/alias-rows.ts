/** What becomes of rows of the alias file, inside one transaction. */
import { aliasesAt, aliasHolders, assignAliases, namesInUse } from '#core/aliases/aliases.ts';
import { findApplication } from '#core/applications/applications.ts';
import { cleanLine, parseAddress, usernameKey } from '#core/people/names.ts';
import { findByUsernames, verifiedOwners } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { AliasRow } from '#sources/csv/csv.ts';

/** Headings of what a report tells. */
export const aliasFindings = {
  'application-unknown': 'App that is not known here',
  'person-unknown': 'Person who is not here',
  'alias-malformed': 'Name that cannot be used',
  'alias-repeated': 'Name or person that occurs earlier in the file',
  'alias-taken': 'Name that is someone else’s at this app',
  'alias-differs': 'Person who has another name at this app already',
  'alias-is-username': 'Name that is the user name of someone else; assigned all the same',
} as const;

export type AliasFinding = keyof typeof aliasFindings;

export interface Fate {
  outcome: 'assigned' | 'unchanged' | 'conflict' | 'rejected';
  /** Always there for a refused row; on an assigned one it is a warning. */
  finding?: { kind: AliasFinding; text: string };
}

/** Names and people that rows of the file had before, by app, with their line. */
export interface Seen {
  names: Map<string, number>;
  people: Map<string, number>;
}

interface Wanted {
  row: AliasRow;
  application: string;
  person: string;
  alias: string;
  key: string;
}

/**
 * Settles rows in their order; `seen` is what the file had before these rows, and what they add to it. With `dryRun`
 * nothing is written and the answer is the same.
 */
export async function settleRows(
  tx: Tx,
  rows: readonly AliasRow[],
  seen: readonly [before: Seen, now: Seen],
  dryRun: boolean,
): Promise<Fate[]> {
  const people = await findPeople(tx, rows);
  const known = await knownApplications(tx, rows);
  const fates = new Map<AliasRow, Fate>();
  const wanted: Wanted[] = [];
  for (const row of rows) {
    const person = people.get(row);
    const refused = refusal(row, person, known, seen);
    if (refused) fates.set(row, refused);
    else wanted.push(wish(row, person!));
  }
  const open: Wanted[] = [];
  for (const [application, group] of Map.groupBy(wanted, (one) => one.application)) {
    const held = await aliasesAt(
      tx,
      application,
      group.map((one) => one.person),
    );
    const holders = await aliasHolders(
      tx,
      application,
      group.map((one) => one.key),
    );
    for (const one of group) {
      const settled = alreadySettled(one, held.get(one.person), holders.get(one.key));
      if (settled) fates.set(one.row, settled);
      else open.push(one);
    }
  }
  for (const [row, fate] of await assign(tx, open, dryRun)) fates.set(row, fate);
  return rows.map((row) => fates.get(row)!);
}

function wish(row: AliasRow, person: string): Wanted {
  const alias = cleanLine(row.alias, 255);
  return { row, application: row.application, person, alias, key: usernameKey(alias) };
}

function refusal(
  row: AliasRow,
  person: string | undefined,
  known: ReadonlySet<string>,
  [earlier, now]: readonly [before: Seen, now: Seen],
): Fate | undefined {
  const reject = (kind: AliasFinding, text: string): Fate => ({
    outcome: 'rejected',
    finding: { kind, text },
  });
  if (!known.has(row.application))
    return reject('application-unknown', `There is no app "${row.application.slice(0, 60)}". Add it first.`);
  if (person === undefined)
    return reject('person-unknown', `"${(row.username ?? row.address ?? '').slice(0, 120)}" is nobody here.`);
  if (!isUsable(row.alias))
    return reject('alias-malformed', 'It is too long or holds characters that cannot be shown.');
  const name = `${row.application}\n${usernameKey(row.alias)}`;
  const whom = `${row.application}\n${person}`;
  const before = [earlier, now].map((one) => one.names.get(name) ?? one.people.get(whom)).find(Boolean);
  if (before !== undefined)
    return {
      outcome: 'conflict',
      finding: { kind: 'alias-repeated', text: `Line ${before} has it before.` },
    };
  now.names.set(name, row.line);
  now.people.set(whom, row.line);
  return undefined;
}

function isUsable(alias: string): boolean {
  try {
    return cleanLine(alias, 255) !== '' && usernameKey(alias) !== '';
  } catch {
    return false;
  }
}

function alreadySettled(
  { alias, person }: Wanted,
  has: string | undefined,
  holder: string | undefined,
): Fate | undefined {
  if (has === alias) return { outcome: 'unchanged' };
  if (has !== undefined)
    return {
      outcome: 'conflict',
      finding: { kind: 'alias-differs', text: `They are "${has}" there. That was left as it is.` },
    };
  return holder === undefined || holder === person ? undefined : taken();
}

function taken(): Fate {
  return {
    outcome: 'conflict',
    finding: { kind: 'alias-taken', text: 'Someone else has this name there.' },
  };
}

async function assign(tx: Tx, open: readonly Wanted[], dryRun: boolean): Promise<Map<AliasRow, Fate>> {
  const inputs = open.map(({ application, person, alias }) => ({ application, person, alias }));
  const refused = dryRun
    ? [...(await namesInUse(tx, inputs))]
    : (await assignAliases(tx, inputs, 'import')).refused;
  const lost = new Set(refused.map((one) => `${one.application}\n${one.person}`));
  const namesakes = await findByUsernames(
    tx,
    open.map((one) => one.alias),
  );
  return new Map(
    open.map(({ row, application, person, key }): [AliasRow, Fate] => {
      if (lost.has(`${application}\n${person}`)) return [row, taken()];
      const namesake = namesakes.get(key);
      if (!namesake || namesake.id === person) return [row, { outcome: 'assigned' }];
      const text = `${namesake.username} needs another name at this app before they enter it.`;
      return [row, { outcome: 'assigned', finding: { kind: 'alias-is-username', text } }];
    }),
  );
}

async function knownApplications(tx: Tx, rows: readonly AliasRow[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (const id of new Set(rows.map((row) => row.application)))
    if (await findApplication(tx, id)) known.add(id);
  return known;
}

/** Whom each row means: by user name, or by a confirmed address. Rows about nobody are left out. */
async function findPeople(tx: Tx, rows: readonly AliasRow[]): Promise<Map<AliasRow, string>> {
  const byName = await findByUsernames(
    tx,
    rows.flatMap((row) => row.username ?? []),
  );
  const keys = new Map(rows.flatMap((row) => (row.address ? [[row, addressKey(row.address)] as const] : [])));
  const owners = await verifiedOwners(tx, [...keys.values()]);
  const found = rows.flatMap((row) => {
    const person = row.username ? byName.get(usernameKey(row.username))?.id : owners.get(keys.get(row) ?? '');
    return person === undefined ? [] : [[row, person] as const];
  });
  return new Map(found);
}

function addressKey(address: string): string {
  try {
    return parseAddress(address).key;
  } catch {
    return '';
  }
}
