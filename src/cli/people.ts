/** `gatehouse people`: find people, look at one, move them between states. */
import { aliasesOf } from '#core/aliases/aliases.ts';
import { factorsOf } from '#core/credentials/factors.ts';
import { groupsOf } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { rolesOf } from '#core/operators/operators.ts';
import { attributesOf } from '#core/people/attributes.ts';
import { usernameKey } from '#core/people/names.ts';
import {
  findByIdentifier,
  findPerson,
  listAddresses,
  listPeople,
  type Person,
  type PersonState,
  personStates,
} from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { lastSignIns } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import { resetFactors } from '#signon/factor-reset.ts';
import { aliasesCommand } from './aliases.ts';
import { type AddCommand, commandContext, requireYes, type Toolbox, UsageError } from './cli.ts';
import { json, parseCount, plainLine, shortTime, table } from './table.ts';

export const peopleCommand: AddCommand = (program, tools) => {
  const people = program.command('people').description('people and their standing');
  people
    .command('list')
    .description('find people by name, address or state')
    .argument('[search]', 'part of a user name, name or address')
    .option('--state <state>', personStates.join(', '))
    .option('--limit <number>', 'how many at most')
    .option('--json', 'print JSON')
    .action((search: string | undefined, options: ListOptions) => list(tools, search, options));
  people
    .command('show')
    .description('everything about one person')
    .argument('<who>', 'user name, confirmed address or id')
    .option('--json', 'print JSON')
    .action((who: string, options: { json?: boolean }) => show(tools, who, options));
  people
    .command('set-state')
    .description('let a person in again, or take their standing')
    .argument('<who>', 'user name, confirmed address or id')
    .argument('<state>', settable.join(', '))
    .requiredOption('--reason <text>', 'kept with the person and in the log')
    .action((who: string, state: string, options: { reason: string }) =>
      setState(tools, who, state, options.reason),
    );
  people
    .command('erase')
    .description('take away for good everything that says who a person was; it cannot be undone')
    .argument('<who>', 'user name, confirmed address or id')
    .option('--yes', 'yes, for good')
    .option('--reason <text>', 'kept in the log: it should not name them')
    .action((who: string, options: { yes?: boolean; reason?: string }) => eraseOne(tools, who, options));
  people
    .command('reset-factors')
    .description('take away every passkey, authenticator app and recovery code of a person who lost them')
    .argument('<who>', 'user name, confirmed address or id')
    .option('--yes', 'yes, after making sure who is asking')
    .action((who: string, options: { yes?: boolean }) => resetOne(tools, who, options));
  aliasesCommand(people, tools);
};

interface ListOptions {
  state?: string;
  limit?: string;
  json?: boolean;
}

const settable = ['active', 'locked', 'suspended', 'spam', 'left'] as const;
const pageSize = 1000;

async function list(tools: Toolbox, search: string | undefined, options: ListOptions): Promise<void> {
  const state = options.state as PersonState | undefined;
  if (state !== undefined && !personStates.includes(state))
    throw new UsageError(`There is no such state. States are: ${personStates.join(', ')}.`);
  const most = options.limit === undefined ? Number.POSITIVE_INFINITY : parseCount(options.limit);
  const rows = await tools.withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      const found: (Person & { address?: string })[] = [];
      for (let after: string | undefined; found.length < most; ) {
        const limit = Math.min(pageSize, most - found.length);
        const page = await listPeople(tx, { search, state, after, limit });
        const addresses = await listAddresses(
          tx,
          page.map((one) => one.id),
        );
        const main = new Map(addresses.flatMap((one) => (one.primary ? [[one.person, one.address]] : [])));
        found.push(...page.map((one) => ({ ...one, address: main.get(one.id) })));
        const last = page.at(-1);
        if (!last || page.length < limit) break;
        after = usernameKey(last.username);
      }
      return found;
    }),
  );
  if (options.json) return tools.print(json(rows));
  tools.print(
    table(
      ['USER NAME', 'NAME', 'ADDRESS', 'STATE', 'SINCE'],
      rows.map((one) => [
        one.username,
        one.displayName,
        one.address ?? '',
        one.state,
        shortTime(one.stateSince),
      ]),
      'Nobody was found.',
    ),
  );
}

async function find(tx: Tx, who: string): Promise<Person> {
  const person = (await findPerson(tx, who)) ?? (await findByIdentifier(tx, who));
  if (!person) throw new Problem('person-unknown');
  return person;
}

async function show(tools: Toolbox, who: string, options: { json?: boolean }): Promise<void> {
  const one = await tools.withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      const person = await find(tx, who);
      const { id } = person;
      return {
        ...person,
        addresses: await listAddresses(tx, [id]),
        groups: ((await groupsOf(tx, [id])).get(id) ?? []).map((group) => group.name),
        attributes: (await attributesOf(tx, [id])).get(id) ?? {},
        aliases: Object.fromEntries(await aliasesOf(tx, id)),
        operator: await rolesOf(tx, id),
        lastSignIn: (await lastSignIns(tx, [id])).get(id)?.get(''),
      };
    }),
  );
  if (options.json) return tools.print(json(one));
  const lines: [string, string][] = [
    ['User name', one.username],
    ['Name', one.displayName],
    ['Id', one.id],
    [
      'State',
      `${one.state} since ${shortTime(one.stateSince)}${one.stateReason ? `: ${one.stateReason}` : ''}`,
    ],
    ['From', `${one.origin}, ${shortTime(one.createdAt)}`],
    ['Last sign-in', shortTime(one.lastSignIn) || 'never'],
    ...one.addresses.map((each): [string, string] => [
      each.primary ? 'Main address' : 'Address',
      `${each.address}${each.verifiedAt ? '' : ' (not confirmed)'}`,
    ]),
    ...(one.groups.length > 0 ? [['Groups', one.groups.join(', ')] as [string, string]] : []),
    ...Object.entries(one.attributes).map(([name, value]): [string, string] => [name, String(value)]),
    ...Object.entries(one.aliases).map(([app, name]): [string, string] => [`At ${app}`, name]),
    ...one.operator.map((grant): [string, string] => [
      'Operator',
      grant.role + (grant.application ? ` of ${grant.application}` : ''),
    ]),
  ];
  for (const [title, value] of lines) tools.print(`${plainLine(title).padEnd(14)}  ${plainLine(value)}`);
}

async function setState(tools: Toolbox, who: string, state: string, reason: string): Promise<void> {
  const wanted = settable.find((one) => one === state);
  if (!wanted) throw new UsageError(`There is no such state to set. States are: ${settable.join(', ')}.`);
  if (reason.trim() === '' || reason.length > 500) throw new UsageError('A reason has 1 to 500 characters.');
  const person = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const found = await find(tx, who);
      if (wanted === 'active') await activate(tx, found.id, reason);
      else await leave(tx, found.id, wanted, reason);
      return found;
    }),
  );
  const name = plainLine(person.username);
  tools.note(
    person.state === wanted
      ? `${name} is ${wanted} already, since ${shortTime(person.stateSince)}; nothing was changed.`
      : `${name} is ${wanted} now.`,
  );
}

/** The last resort, for whoever has the machine: no second operator, no waiting. The person is told by mail. */
async function resetOne(tools: Toolbox, who: string, { yes }: { yes?: boolean }): Promise<void> {
  const { username, factors } = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const person = await find(tx, who);
      requireYes(
        yes,
        'This lets the person in with the password alone. Make sure who is asking, then say --yes.',
      );
      const before = await factorsOf(tx, person.id);
      await resetFactors(tx, person.id, 'machine');
      return { username: person.username, factors: before };
    }),
  );
  const app = factors.totp ? 'an authenticator app' : 'no authenticator app';
  const had = `${factors.passkeys} passkeys, ${app}, ${factors.recoveryCodes} recovery codes`;
  tools.note(
    `${plainLine(username)} signs in with the password alone now, and was signed out. Gone: ${had}.`,
  );
}

async function eraseOne(
  tools: Toolbox,
  who: string,
  { yes, reason }: { yes?: boolean; reason?: string },
): Promise<void> {
  if (reason !== undefined && (reason.trim() === '' || reason.length > 500))
    throw new UsageError('A reason has 1 to 500 characters.');
  const id = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const found = await find(tx, who);
      requireYes(yes, 'Erasing cannot be undone. Say --yes to go on.');
      await leave(tx, found.id, 'erased', reason);
      return found.id;
    }),
  );
  tools.note(`The person ${id} is erased. Letters and lines of imports follow as soon as a worker runs.`);
}
