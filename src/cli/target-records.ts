/** `gatehouse target records|link-again`: which records of a target stand for an account, cutting them, and mending. */
import type { Command } from 'commander';
import { findByIdentifier, findPerson } from '#core/people/people.ts';
import { type RecordHelp, type RecordLink, Retry, Stop } from '#provisioning/connector.ts';
import { linksOf } from '#provisioning/links.store.ts';
import { linkAgain, type Meant, meantBy, readRecords } from '#provisioning/records.ts';
import { openTarget } from '#provisioning/targets.ts';
import { CommandRefused, commandContext, requireYes, type Toolbox, UsageError } from './cli.ts';
import { json, plainLine, table } from './table.ts';
import { targetNamed } from './target.ts';
import { personNamed } from './target-people.ts';

interface Options {
  unlink?: string;
  delete?: boolean;
  yes?: boolean;
  json?: boolean;
}

export function recordCommands(target: Command, tools: Toolbox): void {
  target
    .command('records')
    .description('which records stand for an account behind them (Atlassian), in all directories')
    .argument('<app>', 'id of the app')
    .argument('<account>', 'user name or address of a person, address of the account, or its id there (AAID)')
    .option('--unlink <record>', 'cut this record from the account')
    .option('--delete', 'delete every record of the account; its groups are pushed anew')
    .option('--yes', 'yes, do it')
    .option('--json', 'print JSON')
    .action((app: string, account: string, options: Options) => records(tools, app, account, options));
  target
    .command('link-again')
    .description('make a record that lost the account behind it anew (Atlassian); the account stays as it is')
    .argument('<app>', 'id of the app')
    .argument('<who>', 'user name, confirmed address or id')
    .action((app: string, who: string) => makeWhole(tools, app, who));
}

async function records(tools: Toolbox, app: string, account: string, options: Options): Promise<void> {
  if (options.unlink !== undefined && options.delete) throw new UsageError('--unlink or --delete, not both.');
  const writes = options.unlink !== undefined || options.delete === true;
  if (options.yes && !writes)
    throw new UsageError('Only --unlink and --delete change what is there and need --yes.');
  const { print, note } = tools;
  const said = await tools.withHouse(async (house) => {
    const { target, meant } = await house.database.read(commandContext(), async (tx) => ({
      target: await targetNamed(tx, app),
      meant: await meantAccount(tx, app, account),
    }));
    try {
      const help = (await openTarget(house, target, { subject: 'target' })).records;
      if (!help) throw new CommandRefused('No accounts stand behind the records of targets of this kind.');
      const links = await readRecords(help, meant);
      return { links, done: await act(help, links, meant, options) };
    } catch (error) {
      if (!(error instanceof Retry || error instanceof Stop)) throw error;
      throw new CommandRefused(`${plainLine(app)} did not answer that: ${plainLine(error.message)}`);
    }
  });
  if (said.done) return note(said.done);
  if (options.json) return print(json(said.links));
  print(
    table(
      ['DIRECTORY', 'RECORD', 'ADDRESS'],
      said.links.map(({ directoryId, scimUserId, email }) => [
        directoryId ?? '',
        scimUserId ?? '',
        email ?? '',
      ]),
      'No record stands for it.',
    ),
  );
}

/** The account behind the record of a person here, else the account of this address or id there. */
async function meantAccount(
  tx: Parameters<typeof targetNamed>[0],
  app: string,
  account: string,
): Promise<Meant> {
  const person = (await findPerson(tx, account)) ?? (await findByIdentifier(tx, account));
  const link = person && (await linksOf(tx, app, [person.id])).get(person.id);
  const known = meantBy(link);
  if (known) return known;
  if (person) throw new CommandRefused('This person has no account there that is known here.');
  return account.includes('@') ? { email: account } : { accountId: account };
}

/** What was done, in a sentence; undefined when nothing was asked for. */
async function act(
  help: RecordHelp,
  links: readonly RecordLink[],
  meant: Meant,
  options: Options,
): Promise<string | undefined> {
  if (options.delete) {
    if (meant.accountId === undefined)
      throw new CommandRefused(
        'Records are deleted by the id of the account there (AAID), not by an address.',
      );
    requireYes(options.yes, 'This deletes every record of that account. Say --yes to go on.');
    await help.deleteRecords(meant.accountId);
    return `The records of ${plainLine(meant.accountId)} are deleted. Replay the person to have one made again.`;
  }
  if (options.unlink === undefined) return undefined;
  const record = links.find(({ scimUserId }) => scimUserId === options.unlink);
  if (!record?.directoryId || !record.scimUserId)
    throw new CommandRefused('This record does not stand for that account.');
  requireYes(options.yes, 'This cuts the record there from its account. Say --yes to go on.');
  await help.unlink(record.directoryId, record.scimUserId);
  return `The record ${plainLine(record.scimUserId)} is cut from its account. \`gatehouse target link-again\` makes it whole.`;
}

async function makeWhole({ withHouse, note }: Toolbox, app: string, who: string): Promise<void> {
  const name = await withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const person = await personNamed(tx, who);
      await linkAgain(tx, app, person.id);
      return person.username;
    }),
  );
  note(
    `The record of ${plainLine(name)} is looked at as soon as a worker runs: where it lost its account, it is made anew.`,
  );
}
