/** `gatehouse relay requests`: senders that people ask to be let in, and what operators answer. */
import type { Command } from 'commander';
import { findPeople } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { decideRequest, listRequests, requestStates, type SenderRequest } from '#fronts/relay/choices.ts';
import { allowRequest, requireOpenRequest } from '#fronts/relay/sender-allowed.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { CommandRefused, commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, parseCount, plainLine, shortTime, table } from './table.ts';

interface ListOptions {
  state: string;
  limit: string;
  json?: boolean;
}

interface Answer {
  answer?: string;
}

/** Adds the commands below `relay`. */
export function requestCommands(relay: Command, tools: Toolbox): void {
  const requests = relay
    .command('requests')
    .description('senders that people ask to be let in, latest first')
    .option('--state <state>', `${requestStates.join(', ')} or all`, 'open')
    .option('--limit <number>', 'how many at most', '50')
    .option('--json', 'print JSON')
    .action((options: ListOptions) => showRequests(tools, options));
  requests
    .command('allow')
    .description('let the sender write as an app: its domain is added to those of the app')
    .argument('<id>')
    .option('--app <id>', 'which app; without it the one the request names')
    .option('--answer <text>', 'what the person reads')
    .action((id: string, options: Answer & { app?: string }) => allow(tools, id, options));
  requests
    .command('refuse')
    .description('answer with no')
    .argument('<id>')
    .option('--answer <text>', 'what the person reads')
    .action((id: string, options: Answer) => refuse(tools, id, options));
}

async function showRequests({ withHouse, print }: Toolbox, options: ListOptions): Promise<void> {
  const state = requestStates.find((one) => one === options.state);
  if (state === undefined && options.state !== 'all')
    throw new UsageError(`There is no such state. States are: ${requestStates.join(', ')}, all.`);
  const limit = parseCount(options.limit);
  const found = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => named(tx, await listRequests(tx, { state, limit }))),
  );
  if (options.json) return print(json(found));
  print(
    table(
      ['ID', 'ASKED', 'PERSON', 'SENDER', 'APP', 'STATE', 'NOTE'],
      found.map((one) => [
        ...[one.id, shortTime(one.askedAt), one.person ?? '', one.sender, one.application ?? ''],
        ...[one.state, one.note ?? ''],
      ]),
      state === 'open' ? 'Nobody asks for a sender.' : 'There are no such requests.',
    ),
  );
}

type Shown = Omit<SenderRequest, 'person' | 'decidedBy'> & { person?: string; decidedBy?: string };

/** With user names in place of ids. */
async function named(tx: Tx, requests: readonly SenderRequest[]): Promise<Shown[]> {
  const ids = [...new Set(requests.flatMap(({ person, decidedBy }) => [person, decidedBy ?? []].flat()))];
  const people = ids.length > 0 ? await findPeople(tx, ids) : [];
  const names = new Map(people.map(({ id, username }) => [id, username]));
  return requests.map((one) => ({
    ...one,
    person: names.get(one.person),
    decidedBy: names.get(one.decidedBy ?? ''),
  }));
}

async function allow(
  { withHouse, note }: Toolbox,
  id: string,
  { app, answer }: Answer & { app?: string },
): Promise<void> {
  const { sender, application } = await withHouse(({ database }) =>
    database.transact(
      commandContext(),
      async (tx) => {
        const open = await requireOpen(tx, id);
        const meant = app ?? open.application;
        if (meant === undefined)
          throw new UsageError('The request names no app. Say which one the sender writes as: --app.');
        const { why } = await allowRequest(tx, { id, application: meant, answer });
        if (why !== undefined) throw new CommandRefused(`${why} The request stays open.`);
        return { sender: open.sender, application: meant };
      },
      { isolation: 'repeatable read' },
    ),
  );
  note(`${plainLine(sender)} may write as ${plainLine(application)} from now on; the person reads so.`);
}

async function refuse({ withHouse, note }: Toolbox, id: string, { answer }: Answer): Promise<void> {
  await withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await requireOpen(tx, id);
      return decideRequest(tx, { id, state: 'refused', answer });
    }),
  );
  note('The answer is no; the person reads so.');
}

/** What is no id names none, and must not reach the database. */
async function requireOpen(tx: Tx, id: string): Promise<SenderRequest> {
  if (!isId(id)) throw new Problem('relay-request-unknown');
  return requireOpenRequest(tx, id);
}
