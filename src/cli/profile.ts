/** `gatehouse profile check TARGET`: does a live target behave as its profile says? */
import { Retry, Stop } from '#provisioning/connector.ts';
import { openTarget, prepareTarget } from '#provisioning/targets.ts';
import { type AddCommand, CommandRefused, commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, plainLine, table } from './table.ts';
import { targetNamed } from './target.ts';

interface Options {
  write?: boolean;
  account?: string;
  json?: boolean;
}

export const profileCommand: AddCommand = (program, tools) => {
  const profile = program.command('profile').description('what is known about targets');
  profile
    .command('check')
    .description('compare a live target with what its profile says; reads alone unless --write')
    .argument('<app>', 'id of the app')
    .option('--write', 'also make, change and take away one test account')
    .option('--account <name>', 'user name or address of that test account; it must be nobody’s')
    .option('--json', 'print JSON')
    .action((app: string, options: Options) => check(tools, app, options));
};

async function check({ withHouse, print, note }: Toolbox, app: string, options: Options): Promise<void> {
  const { write, account } = options;
  if (write !== (account === undefined ? undefined : true))
    throw new UsageError('--write needs --account <name>, and only --write does.');
  const findings = await withHouse(async (house) => {
    const known = await house.database.read(commandContext(), (tx) => targetNamed(tx, app));
    try {
      const target = await prepareTarget(house, known);
      const connection = await openTarget(house, target, { subject: 'target' });
      if (!connection.check) throw new CommandRefused('There is nothing to check at targets of this kind.');
      return await connection.check(account === undefined ? {} : { write: account });
    } catch (error) {
      if (!(error instanceof Retry || error instanceof Stop)) throw error;
      throw new CommandRefused(
        `${plainLine(app)} did not let itself be checked: ${plainLine(error.message)}`,
      );
    }
  });
  if (options.json) return print(json(findings));
  print(
    table(
      ['FACT', 'THE PROFILE SAYS', 'THE TARGET SAYS', ''],
      findings.map(({ fact, expected, found, same }) => [fact, expected, found, same ? '' : 'differs']),
      'Nothing could be compared.',
    ),
  );
  const differing = findings.filter(({ same }) => !same).length;
  note(
    differing === 0
      ? 'The target is as its profile says.'
      : `${differing} of ${findings.length} differ. A fact is changed for one target under \`facts\` of its settings.`,
  );
}
