/** `gatehouse target timeline|replay|join-check|relink`: was my user pushed, send it again, whose account is whose. */
import type { Command } from 'commander';
import { findGroup, findGroups } from '#core/groups/groups.ts';
import { findByIdentifier, findPeople, findPerson, type Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { samlNameOf } from '#fronts/saml/named.ts';
import type { Tx } from '#kit/db/tx.ts';
import { joinCheck, relink } from '#provisioning/join-check.ts';
import { replay, replayAll } from '#provisioning/queue-view.ts';
import { type Entry, timelineOf } from '#provisioning/timeline.ts';
import { commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, parseCount, plainLine, table } from './table.ts';
import { targetNamed } from './target.ts';

/** A person by user name, confirmed address or id. */
export async function personNamed(tx: Tx, who: string): Promise<Person> {
  const person = (await findPerson(tx, who)) ?? (await findByIdentifier(tx, who));
  if (!person) throw new Problem('person-unknown');
  return person;
}

/** A person as above, `group:<name or id>`, `stranger:<id there>` or `target`. */
export async function subjectNamed(tx: Tx, who: string): Promise<string> {
  if (who === 'target' || who.startsWith('stranger:')) return who;
  if (who.startsWith('group:')) {
    const group = await findGroup(tx, who.slice('group:'.length));
    if (!group) throw new Problem('group-unknown');
    return `group:${group.id}`;
  }
  return `person:${(await personNamed(tx, who.replace(/^person:/, ''))).id}`;
}

/** What people and groups are called, by subject. */
export async function namesOf(tx: Tx, subjects: readonly string[]): Promise<Record<string, string>> {
  const ids = (kind: string) =>
    subjects.flatMap((one) => (one.startsWith(`${kind}:`) ? [one.slice(kind.length + 1)] : []));
  const people = await findPeople(tx, [...new Set(ids('person'))]);
  const groups = await findGroups(tx, [...new Set(ids('group'))]);
  return Object.fromEntries([
    ...people.map(({ id, username }) => [`person:${id}`, username]),
    ...groups.map(({ id, name }) => [`group:${id}`, `group:${name}`]),
  ]);
}

const whoText = 'user name, confirmed address, id, or group:<name>';

export function targetPeopleCommands(target: Command, tools: Toolbox): void {
  target
    .command('timeline')
    .description('was my user pushed? What happened to one person or group there, oldest first')
    .argument('<app>', 'id of the app')
    .argument('<who>', `${whoText}, stranger:<id there>, target`)
    .option('--limit <number>', 'how many at most, the latest', '50')
    .option('--json', 'print JSON, with what was sent and answered')
    .action((app: string, who: string, options: { limit: string; json?: boolean }) =>
      timeline(tools, app, who, options),
    );
  target
    .command('replay')
    .description('send one person or group again, or everything that was given up')
    .argument('<app>', 'id of the app')
    .argument('[who]', whoText)
    .option('--dead', 'everything that was given up')
    .action((app: string, who: string | undefined, options: { dead?: boolean }) =>
      again(tools, app, who, options),
    );
  target
    .command('join-check')
    .description('will the account there and whoever signs in be taken for the same person?')
    .argument('<app>', 'id of the app')
    .option('--json', 'print JSON')
    .action((app: string, options: { json?: boolean }) => checkJoin(tools, app, options));
  target
    .command('relink')
    .description('say which account there is whose')
    .argument('<app>', 'id of the app')
    .argument('<who>', 'user name, confirmed address or id')
    .argument('<id>', 'id of the account there, as the last listing saw it')
    .action((app: string, who: string, id: string) => linkAgain(tools, app, who, id));
}

async function timeline(
  { withHouse, print }: Toolbox,
  app: string,
  who: string,
  options: { limit: string; json?: boolean },
): Promise<void> {
  const limit = parseCount(options.limit);
  const entries = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      return (await timelineOf(tx, app, await subjectNamed(tx, who), { limit })).reverse();
    }),
  );
  if (options.json) return print(json(entries));
  print(
    table(
      ['AT', 'WHAT', 'MORE', 'BY'],
      entries.map((entry) => [
        entry.at.toISOString().slice(0, 19).replace('T', ' '),
        entry.kind,
        exchangeText(entry) ?? entry.text,
        entry.actor ?? entry.cause ?? '',
      ]),
      'Nothing happened there yet.',
    ),
  );
}

/** `POST /Users → 201 (34 ms)`: one exchange in a line. */
function exchangeText({ request, response, tookMs, text }: Entry): string | undefined {
  if (typeof request !== 'object' || request === null || !('method' in request) || !('url' in request))
    return undefined;
  const url = URL.parse(String(request.url));
  const place = url ? url.pathname + url.search : String(request.url);
  const status =
    typeof response === 'object' && response !== null && 'status' in response
      ? String(response.status)
      : text;
  return `${String(request.method)} ${place} → ${status}${tookMs == null ? '' : ` (${tookMs} ms)`}`;
}

async function again(
  tools: Toolbox,
  app: string,
  who: string | undefined,
  { dead }: { dead?: boolean },
): Promise<void> {
  if ((who === undefined) === !dead)
    throw new UsageError('Say who, or --dead for everything that was given up.');
  const count = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      if (who === undefined) return replayAll(tx, app);
      await replay(tx, app, await subjectNamed(tx, who));
      return 1;
    }),
  );
  tools.note(`${count} put to work again: what is wanted now is sent as soon as a worker runs.`);
}

async function checkJoin(
  { withHouse, print, note }: Toolbox,
  app: string,
  options: { json?: boolean },
): Promise<void> {
  const result = await withHouse((house) =>
    house.database.read(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      return joinCheck(tx, { ...house, namedAs: samlNameOf }, app);
    }),
  );
  if (options.json) return print(json(result));
  const { joinBy, checked, meet, findings } = result;
  note(`${meet} of ${checked} people will be recognised by their ${joinBy} when they sign in.`);
  print(
    table(
      ['WHO', 'THERE', 'SIGN-IN SAYS', 'WHY'],
      findings.map(({ username, record, login, why }) => [username, record ?? '', login ?? '', why]),
      'Nobody will miss their account.',
    ),
  );
}

async function linkAgain(tools: Toolbox, app: string, who: string, id: string): Promise<void> {
  const name = await tools.withHouse((house) =>
    house.database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const person = await personNamed(tx, who);
      await relink(tx, house, app, person.id, id);
      return person.username;
    }),
  );
  tools.note(
    `The account ${plainLine(id)} is ${plainLine(name)}’s, and is looked at as soon as a worker runs.`,
  );
}
