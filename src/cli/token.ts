/** `gatehouse token`: how programs act as operators. */
import { type ApiToken, createToken, listTokens, revokeToken } from '#core/operators/tokens.ts';
import { type AddCommand, commandContext } from './cli.ts';
import { json, parseDuration, shortTime, table } from './table.ts';

interface CreateOptions {
  scope: string[];
  name: string;
  expires?: string;
  app?: string;
}

export const tokenCommand: AddCommand = (program, { withHouse, print, note, clock }) => {
  const token = program.command('token').description('tokens for programs that act as operators');
  token
    .command('create')
    .description('make a token and print it, this once')
    .requiredOption(
      '--scope <roles...>',
      'admin, or roles: owner, people, apps, help-desk, auditor, app-owner',
    )
    .option('--name <text>', 'what it is for', 'command line')
    .option('--expires <time>', 'when it ends, like 30d or 12h (default: never)')
    .option('--app <id>', 'the app of an app-owner')
    .action(async (options: CreateOptions) => {
      const seconds = options.expires === undefined ? undefined : parseDuration(options.expires);
      const made = await withHouse(({ database }) =>
        database.transact(commandContext(), (tx) =>
          createToken(tx, {
            name: options.name,
            scopes: options.scope.flatMap((one) => one.split(',')),
            application: options.app,
            expiresAt: seconds === undefined ? undefined : new Date(clock.now().getTime() + seconds * 1000),
          }),
        ),
      );
      print(made.token);
    });
  token
    .command('list')
    .description('all tokens, newest first; never their values')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const tokens = await withHouse(({ database }) => database.read(commandContext(), listTokens));
      print(options.json ? json(tokens) : draw(tokens, clock.now()));
    });
  token
    .command('revoke')
    .description('withdraw a token for good')
    .argument('<id>')
    .action(async (id: string) => {
      await withHouse(({ database }) => database.transact(commandContext(), (tx) => revokeToken(tx, id)));
      note('The token is withdrawn.');
    });
};

function draw(tokens: readonly ApiToken[], now: Date): string {
  const state = (one: ApiToken) =>
    one.revokedAt ? 'withdrawn' : one.expiresAt && one.expiresAt <= now ? 'ended' : 'good';
  return table(
    ['ID', 'NAME', 'ROLES', 'STATE', 'MADE', 'ENDS', 'LAST USED'],
    tokens.map((one) => [
      one.id,
      one.name,
      one.roles.join(',') + (one.application ? ` of ${one.application}` : ''),
      state(one),
      shortTime(one.createdAt),
      shortTime(one.expiresAt) || 'never',
      shortTime(one.lastUsedAt) || 'never',
    ]),
    'There are no tokens.',
  );
}
