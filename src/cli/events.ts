/** `gatehouse events`: what happened. */
import { catalogue } from '#core/events/catalogue.ts';
import { type LoggedEvent, listEvents } from '#core/events/events.ts';
import { findByIdentifier, findPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { type AddCommand, commandContext, UsageError } from './cli.ts';
import { json, parseCount, shortTime, table } from './table.ts';

interface Options {
  type?: string;
  person?: string;
  app?: string;
  limit: string;
  json?: boolean;
}

export const eventsCommand: AddCommand = (program, { withHouse, print }) => {
  const events = program.command('events').description('what happened');
  events
    .command('list')
    .description('the log, latest first')
    .option('--type <type>', 'like person.joined')
    .option('--person <who>', 'user name, confirmed address or id')
    .option('--app <id>', 'one app')
    .option('--limit <number>', 'how many at most', '50')
    .option('--json', 'print JSON')
    .action(async ({ type, person: who, app, ...options }: Options) => {
      if (type !== undefined && !Object.hasOwn(catalogue, type))
        throw new UsageError(
          `There is no such type of event. Types are: ${Object.keys(catalogue).join(', ')}.`,
        );
      const limit = parseCount(options.limit);
      const found = await withHouse(({ database }) =>
        database.read(commandContext(), async (tx) => {
          const person = who && ((await findPerson(tx, who)) ?? (await findByIdentifier(tx, who)));
          if (who && !person) throw new Problem('person-unknown');
          return listEvents(tx, { type, application: app, person: person ? person.id : undefined, limit });
        }),
      );
      print(options.json ? json(found) : draw(found));
    });
};

function draw(events: readonly LoggedEvent[]): string {
  return table(
    ['AT', 'TYPE', 'PERSON', 'APP', 'BY', 'WHY', 'REFERENCE'],
    events.map((one) => [
      shortTime(one.at),
      one.type,
      one.person ?? '',
      one.application ?? '',
      one.actor.name ?? one.actor.kind,
      one.cause,
      one.requestId,
    ]),
    'Nothing of the kind happened.',
  );
}
