/** `gatehouse keys`: what signs tokens, and the way out when a key is in danger. */
import { type PublishedKey, publishedKeys, withdrawKey } from '#fronts/oidc/keys.ts';
import { type AddCommand, CommandRefused, commandContext, UsageError } from './cli.ts';
import { json, shortTime, table } from './table.ts';

export const keysCommand: AddCommand = (program, { withHouse, print, note }) => {
  const keys = program.command('keys').description('keys that sign tokens for apps');
  keys
    .command('list')
    .description('every key that apps accept now')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const found = await withHouse(({ database }) => database.read(commandContext(), publishedKeys));
      print(options.json ? json(found) : draw(found));
    });
  keys
    .command('withdraw')
    .description(
      'take a key back at once, because somebody else may have it: whatever it signed counts no more',
    )
    .argument('<kid>')
    .option('--yes', 'I know that everyone has to sign in to their apps again')
    .action(async (kid: string, options: { yes?: boolean }) => {
      if (!options.yes) {
        throw new UsageError(
          'Whatever this key signed is refused from now on, and people sign in to their apps again. Add --yes to do it.',
        );
      }
      const done = await withHouse(({ database, secrets }) =>
        database.transact(commandContext(), (tx) => withdrawKey(tx, secrets, kid)),
      );
      if (!done) throw new CommandRefused('There is no such key. "gatehouse keys list" shows their ids.');
      note('The key is withdrawn and another one signs. Apps notice within a minute of asking for the keys.');
    });
};

function draw(keys: readonly PublishedKey[]): string {
  return table(
    ['KEY', 'ALGORITHM', 'STATE', 'MADE', 'SIGNS SINCE'],
    keys.map((key) => [key.kid, key.alg, key.state, shortTime(key.createdAt), shortTime(key.activeAt)]),
    'There are no keys yet; the first start makes them.',
  );
}
