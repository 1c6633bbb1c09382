/** `gatehouse people aliases APP`: from which address to which alias people's accounts at an app are to be moved. */
import { requireApplication } from '#core/applications/applications.ts';
import { usernameKey } from '#core/people/names.ts';
import { listAddresses, listPeople } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type AddCommand, commandContext, type Toolbox } from './cli.ts';
import { json, table } from './table.ts';

interface Row {
  username: string;
  /** The main address, confirmed. */
  from: string;
  to: string;
}

const pageSize = 1000;

export const aliasesCommand: AddCommand = (people, tools) => {
  people
    .command('aliases')
    .description('main address and alias mailbox of everyone an app knows by the alias')
    .argument('<app>', 'id of the app')
    .option('--csv', "print CSV (old mail,alias) for the vendor's own migration")
    .option('--json', 'print JSON')
    .action((app: string, options: { csv?: boolean; json?: boolean }) => aliases(tools, app, options));
};

async function aliases(
  tools: Toolbox,
  app: string,
  options: { csv?: boolean; json?: boolean },
): Promise<void> {
  const rows = await tools.withHouse(({ database, secrets }) =>
    database.read(commandContext(), (tx) => rowsFor(tx, secrets, app)),
  );
  if (options.json) return tools.print(json(rows));
  if (options.csv) return tools.print(csv(rows));
  const cells = rows.map((row) => [row.username, row.from, row.to]);
  tools.print(table(['USER NAME', 'MAIN ADDRESS', 'ALIAS'], cells, 'Nobody is known there by an alias.'));
}

/** Active people who may enter, in order of user name; who keeps an account of their own there is left out. */
async function rowsFor(tx: Tx, secrets: Secrets, app: string): Promise<Row[]> {
  const application = await requireApplication(tx, app);
  const rows: Row[] = [];
  for (let after: string | undefined; ; ) {
    const page = await listPeople(tx, { state: 'active', after, limit: pageSize });
    const ids = page.map((one) => one.id);
    const main = new Map(
      (await listAddresses(tx, ids))
        .filter((one) => one.primary && one.verifiedAt)
        .map((one) => [one.person, one.address]),
    );
    const names = new Map(page.map((one) => [one.id, one.username]));
    for (const profile of await profilesFor(tx, secrets, application, ids)) {
      const [from, to] = [main.get(profile.person), profile.accountAddress];
      if (profile.mayEnter && profile.accountChoice === 'mailbox' && from && to)
        rows.push({ username: names.get(profile.person) ?? '', from, to });
    }
    const last = page.at(-1);
    if (!last || page.length < pageSize) return rows;
    after = usernameKey(last.username);
  }
}

/** RFC 4180, with a title line. */
export function csv(rows: readonly Pick<Row, 'from' | 'to'>[]): string {
  return ['old mail,alias', ...rows.map((row) => [row.from, row.to].map(cell).join(','))].join('\r\n');
}

/** A spreadsheet would take what begins like this for a formula: an apostrophe in front makes it text again. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
