import { tombstones } from '#core/people/tombstones.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Mailbox } from './mailboxes.ts';

interface MailboxRow {
  person: string | null;
  domain: string;
  local_part: string | null;
  state: Mailbox['state'];
  made_at: Date;
}

export interface NewMailbox {
  person: string;
  domain: string;
  stem: string;
  number: number;
  localPart: string;
}

const columns = 'person, domain, local_part, state, made_at';

function toMailbox(row: MailboxRow): Mailbox {
  return {
    address: `${row.local_part}@${row.domain}`,
    person: row.person ?? undefined,
    state: row.state,
    madeAt: row.made_at,
  };
}

function marksOf(tx: Tx, addresses: readonly { domain: string; localPart: string }[]): Promise<string[]> {
  // The @ keeps them apart from names at apps, whose ids have none.
  return tombstones(
    tx,
    'alias',
    addresses.map(({ domain, localPart }) => ({ place: `@${domain}`, name: localPart })),
  );
}

/** Adds those whose address is and was nobody's and who have no current one; returns whose were added. */
export async function insertMailboxes(tx: Tx, rows: readonly NewMailbox[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const marks = await marksOf(tx, rows);
  const given = rows.map((row, index) => ({
    ...row,
    key: `${row.localPart}@${row.domain}`,
    mark: marks[index],
  }));
  // In one order for everyone, so that two who want the same addresses wait for each other in turn; and whose name it
  // is comes before whom a number brought there.
  const added = await tx.query<{ person: string }>(
    `insert into alias_mailboxes (address_key, person, domain, local_part, stem, number, state, made_at)
     select g.key, g.person, g.domain, g."localPart", g.stem, g.number, 'current', $2
     from jsonb_to_recordset($1::jsonb) as g (person uuid, domain text, stem text, number integer, "localPart" text,
       key text, mark text)
     where not exists (select 1 from alias_mailboxes m where m.address_key = g.mark)
     order by g.key, g.number
     on conflict do nothing returning person`,
    [JSON.stringify(given), tx.now()],
    'alias-mailboxes-insert',
  );
  return new Set(added.map((row) => row.person));
}

/** The highest number given so far for each of these stems at a domain; stems nobody has are left out. */
export async function highestNumbers(
  tx: Tx,
  domain: string,
  stems: readonly string[],
): Promise<Map<string, number>> {
  const rows = await tx.query<{ stem: string; number: number }>(
    `select stem, max(number) as number from alias_mailboxes where domain = $1 and stem = any($2::text[])
     group by stem`,
    [domain, stems],
  );
  return new Map(rows.map((row) => [row.stem, row.number]));
}

/** Of these people, the ones who have a current mailbox. */
export async function havingMailbox(tx: Tx, people: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ person: string }>(
    `select person from alias_mailboxes where person = any($1::uuid[]) and state = 'current'`,
    [people],
    'alias-mailboxes-having',
  );
  return new Set(rows.map((row) => row.person));
}

/** Everyone's mailboxes, the current one first, then the newest. */
export async function mailboxesOf(tx: Tx, people: readonly string[]): Promise<Mailbox[]> {
  const rows = await tx.query<MailboxRow>(
    `select ${columns} from alias_mailboxes where person = any($1::uuid[])
     order by person, state, made_at desc, address_key`,
    [people],
  );
  return rows.map(toMailbox);
}

export async function mailboxByKey(tx: Tx, key: string): Promise<Mailbox | undefined> {
  const rows = await tx.query<MailboxRow>(
    `select ${columns} from alias_mailboxes where address_key = $1 and state <> 'gone'`,
    [key],
    'alias-mailbox-by-key',
  );
  return rows[0] && toMailbox(rows[0]);
}

/** The one this person had from the same rule before, lowest number first; locked. */
export async function formerMailbox(
  tx: Tx,
  person: string,
  domain: string,
  stem: string,
): Promise<Mailbox | undefined> {
  const rows = await tx.query<MailboxRow>(
    `select ${columns} from alias_mailboxes where person = $1 and domain = $2 and stem = $3
     order by number limit 1 for update`,
    [person, domain, stem],
  );
  return rows[0] && toMailbox(rows[0]);
}

export async function keepCurrent(tx: Tx, person: string): Promise<void> {
  await tx.query(`update alias_mailboxes set state = 'kept' where person = $1 and state = 'current'`, [
    person,
  ]);
}

export async function makeCurrent(tx: Tx, address: string): Promise<void> {
  await tx.query(`update alias_mailboxes set state = 'current' where address_key = $1`, [address]);
}

/** All of one person's mailboxes become another's, beside the current one that one has. Returns how many. */
export async function moveMailboxes(tx: Tx, from: string, to: string): Promise<number> {
  const rows = await tx.query(
    `update alias_mailboxes set person = $2, state = 'kept' where person = $1 returning address_key`,
    [from, to],
  );
  return rows.length;
}

/** Leaves of a person's mailboxes only what keeps their addresses from others. */
export async function blankMailboxes(tx: Tx, person: string): Promise<void> {
  const rows = await tx.query<{ domain: string; localPart: string }>(
    `select domain, local_part as "localPart" from alias_mailboxes where person = $1 order by address_key for update`,
    [person],
  );
  const marks = await marksOf(tx, rows);
  await tx.query(
    `update alias_mailboxes m set address_key = g.mark, person = null, local_part = null, stem = null, number = null,
       state = 'gone'
     from unnest($1::text[], $2::text[]) as g (key, mark) where m.address_key = g.key`,
    [rows.map((row) => `${row.localPart}@${row.domain}`), marks],
  );
}
