/** `gatehouse token registration`: tokens with which apps register themselves, while the community lets them. */
import {
  createRegistrationToken,
  listRegistrationTokens,
  revokeRegistrationToken,
} from '#fronts/oidc/registrations.ts';
import { isId } from '#kit/crypto/ids.ts';
import { type AddCommand, CommandRefused, commandContext, UsageError } from './cli.ts';
import { json, parseDuration, shortTime, table } from './table.ts';

interface CreateOptions {
  name: string;
  uses: string;
  expires: string;
}

/** Adds the commands below `gatehouse token`. */
export const registrationTokenCommands: AddCommand = (token, { withHouse, print, note, clock }) => {
  const group = token
    .command('registration')
    .description('tokens with which apps register themselves (appRegistration: token)');
  group
    .command('create')
    .description('make a token and print it, this once')
    .requiredOption('--name <text>', 'whom it is for')
    .option('--uses <number>', 'how many apps it may register', '1')
    .option('--expires <time>', 'when it ends, like 7d or 12h', '7d')
    .action(async ({ name, expires, ...options }: CreateOptions) => {
      const uses = Number(options.uses);
      if (!Number.isInteger(uses) || uses < 1 || uses > 100)
        throw new UsageError('--uses takes a whole number from 1 to 100.');
      const expiresAt = new Date(clock.now().getTime() + parseDuration(expires) * 1000);
      const made = await withHouse(({ database }) =>
        database.transact(commandContext(), (tx) => createRegistrationToken(tx, { name, uses, expiresAt })),
      );
      print(made.token);
    });
  group
    .command('list')
    .description('all of them, newest first; never their values')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const found = await withHouse(({ database }) =>
        database.read(commandContext(), listRegistrationTokens),
      );
      if (options.json) return print(json(found));
      const rows = found.map((one) => [
        one.id,
        one.name,
        String(one.usesLeft),
        shortTime(one.createdAt),
        shortTime(one.expiresAt),
        shortTime(one.usedAt ?? undefined) || 'never',
      ]);
      print(table(['ID', 'NAME', 'USES LEFT', 'MADE', 'ENDS', 'LAST USED'], rows, 'There are no tokens.'));
    });
  group
    .command('revoke')
    .description('withdraw one; apps it let in stay')
    .argument('<id>')
    .action(async (id: string) => {
      const gone = await withHouse(
        async ({ database }) =>
          isId(id) && database.transact(commandContext(), (tx) => revokeRegistrationToken(tx, id)),
      );
      if (!gone)
        throw new CommandRefused(
          'There is no such token. "gatehouse token registration list" shows their ids.',
        );
      note('The token is withdrawn.');
    });
};
