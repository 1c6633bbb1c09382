/** `gatehouse keys`: what signs tokens and SAML messages, and the way out when a key is in danger. */
import { publishedKeys, withdrawKey } from '#fronts/oidc/keys.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as saml from '#signon/saml-keys/saml-keys.ts';
import { type AddCommand, CommandRefused, commandContext, requireYes } from './cli.ts';
import { json, shortTime, table } from './table.ts';

export const keysCommand: AddCommand = (program, { withHouse, print, note }) => {
  const keys = program.command('keys').description('keys that sign what apps are told');
  keys
    .command('list')
    .description('every key that apps accept now')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const found = await withHouse(({ database }) => database.read(commandContext(), allKeys));
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
      await withHouse(({ database, secrets }, settings) =>
        database.transact(commandContext(), async (tx) => {
          if (!(await allKeys(tx)).some((one) => one.kid === kid))
            throw new CommandRefused('There is no such key. "gatehouse keys list" shows their ids.');
          requireYes(
            options.yes,
            'Whatever this key signed is refused from now on, and people sign in to their apps again. Add --yes to do it.',
          );
          const done =
            (await withdrawKey(tx, secrets, kid)) ||
            (await saml.withdrawKey(tx, { secrets, host: hostOf(settings) }, kid));
          if (!done) throw new CommandRefused('Somebody else withdrew this key a moment ago.');
        }),
      );
      note('The key is withdrawn and another one signs. Apps notice within a minute of asking for the keys.');
      if (kid.startsWith('saml-'))
        note('Apps that were given the certificate by hand need the new one from /saml/metadata now.');
    });
};

interface Listed {
  kid: string;
  alg: string;
  state: string;
  createdAt: Date;
  activeAt?: Date;
  /** When the certificate ends, where there is one. */
  notAfter?: Date;
}

async function allKeys(tx: Tx): Promise<Listed[]> {
  return [...(await publishedKeys(tx)), ...(await saml.publishedKeys(tx))];
}

function hostOf({ issuer }: { issuer: string }): string {
  return new URL(issuer).hostname;
}

function draw(keys: readonly Listed[]): string {
  return table(
    ['KEY', 'ALGORITHM', 'STATE', 'MADE', 'SIGNS SINCE', 'ENDS'],
    keys.map((key) => [
      ...[key.kid, key.alg, key.state, shortTime(key.createdAt), shortTime(key.activeAt)],
      key.notAfter ? shortTime(key.notAfter) : '',
    ]),
    'There are no keys yet; the first start makes them.',
  );
}
