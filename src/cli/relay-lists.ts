/** `gatehouse relay lists`: networks of senders, published or by hand; yes and no to what shrinks too far. */
import type { Command } from 'commander';
import { lookNow } from '#fronts/relay/list-looks.ts';
import {
  type AllowList,
  allowLists,
  approveHeld,
  appsLetInBy,
  dismissHeld,
  forgetList,
  type HeldList,
  requireAllowList,
} from '#fronts/relay/lists.ts';
import { CommandRefused, commandContext, requireYes, type Toolbox } from './cli.ts';
import { json, plainLine, shortTime, table } from './table.ts';

export function listCommands(relay: Command, tools: Toolbox): void {
  const lists = relay
    .command('lists')
    .description('lists of networks that may send, and how they are doing')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => showLists(tools, options));
  lists
    .command('check')
    .description('look at what is published now')
    .argument('<name>', 'name of the list')
    .action((name: string) => check(tools, name));
  lists
    .command('approve')
    .description('put what is held in force')
    .argument('<name>', 'name of the list')
    .option('--yes', 'yes, do it')
    .action((name: string, options: { yes?: boolean }) => decide(tools, name, 'approve', options.yes));
  lists
    .command('dismiss')
    .description('keep what is in force; this publication is not asked about again')
    .argument('<name>', 'name of the list')
    .action((name: string) => decide(tools, name, 'dismiss', true));
  lists
    .command('remove')
    .description('forget a list; refused while an app is let in by it')
    .argument('<name>', 'name of the list')
    .option('--yes', 'yes, do it')
    .action((name: string, options: { yes?: boolean }) => remove(tools, name, options.yes));
}

async function showLists({ withHouse, print }: Toolbox, options: { json?: boolean }): Promise<void> {
  const found = await withHouse(({ database }) => database.read(commandContext(), allowLists));
  if (options.json) return print(json(found));
  print(
    table(
      ['NAME', 'NETWORKS', 'BY HAND', 'LAST GOOD LOOK', 'STATE'],
      found.map((one) => [
        one.name,
        String(one.networks.length),
        String(one.byHand.length),
        one.settings.url === undefined ? 'by hand' : shortTime(one.fetchedAt) || 'never',
        stateOf(one),
      ]),
      'There are no lists yet. They stand under relay.allowlists of the community file.',
    ),
  );
  for (const { name, held } of found)
    if (held) print(`\n${name} holds a publication back (${shortTime(held.at)}):\n${draw(held)}`);
}

function stateOf({ held, problem, isStale }: AllowList): string {
  if (problem !== undefined) return `${isStale ? 'not read for a day' : 'not read'}: ${problem}`;
  return held ? `waits for a yes: ${held.removed.length} networks would go` : 'good';
}

async function remove({ withHouse, note }: Toolbox, name: string, yes: boolean | undefined): Promise<void> {
  await withHouse(({ database }) =>
    database.transact(
      commandContext(),
      async (tx) => {
        const { networks, byHand } = await requireAllowList(tx, name);
        const apps = await appsLetInBy(tx, name);
        if (apps.length > 0)
          throw new CommandRefused(
            `Mail of ${apps.map(plainLine).join(', ')} is let in by it. Take list:${plainLine(name)} out of its senders first.`,
          );
        const count = new Set([...networks, ...byHand]).size;
        requireYes(yes, `It names ${count} networks, by hand or as published. Add --yes to forget it.`);
        await forgetList(tx, name);
      },
      { isolation: 'repeatable read' },
    ),
  );
  note(`${plainLine(name)} is forgotten.`);
}

const mostShown = 40;

function draw({ added, removed }: Pick<HeldList, 'added' | 'removed'>): string {
  const lines = [...removed.map((one) => `  - ${one}`), ...added.map((one) => `  + ${one}`)];
  const more = lines.length - mostShown;
  return [...lines.slice(0, mostShown), ...(more > 0 ? [`  and ${more} more`] : [])].join('\n');
}

async function check({ withHouse, note, print }: Toolbox, name: string): Promise<void> {
  const { outcome, added, removed, problem } = await withHouse(async (house) => {
    const list = await house.database.read(commandContext(), (tx) => requireAllowList(tx, name));
    if (list.settings.url === undefined)
      throw new CommandRefused(`${name} is kept by hand: nobody publishes it.`);
    return lookNow(house, name, commandContext());
  });
  if (outcome === 'refused') throw new CommandRefused(`${problem} What was in force stays in force.`);
  const said = {
    unchanged: 'Nothing has changed.',
    taken: 'It has changed, and is in force:',
    held: `It would take away more than may go without a yes, and is held. \`gatehouse relay lists approve ${plainLine(name)}\` puts it in force, \`dismiss\` does not:`,
    dismissed: 'It is still what was dismissed.',
    overtaken: 'Somebody else looked at the same time.',
  }[outcome];
  note(said);
  if (added.length + removed.length > 0) print(draw({ added, removed }));
}

async function decide(
  { withHouse, note, print }: Toolbox,
  name: string,
  decision: 'approve' | 'dismiss',
  yes: boolean | undefined,
): Promise<void> {
  const held = await withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const { held: waiting } = await requireAllowList(tx, name);
      if (!waiting) throw new CommandRefused(`Nothing of ${name} is held.`);
      if (!yes) print(draw(waiting));
      requireYes(yes, 'These networks would come (+) and go (-). Say --yes to put them in force.');
      const decideHeld = decision === 'approve' ? approveHeld : dismissHeld;
      return decideHeld(tx, { name, mark: waiting.mark });
    }),
  );
  print(draw(held));
  note(decision === 'approve' ? 'It is in force on every node.' : 'What was in force stays in force.');
}
