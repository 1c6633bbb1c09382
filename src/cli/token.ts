/** `gatehouse token`: how programs act as operators. */
import { roles } from '#core/operators/permissions.ts';
import { createToken, type ListedToken, listTokens, revokeToken } from '#core/operators/tokens.ts';
import { Problem } from '#core/problem.ts';
import { type AddCommand, CommandRefused, commandContext, UsageError } from './cli.ts';
import { json, parseDuration, plainLine, shortTime, table } from './table.ts';
import { registrationTokenCommands } from './token-registration.ts';

interface CreateOptions {
  scope: string[];
  name: string;
  expires?: string;
  app?: string;
}

export const tokenCommand: AddCommand = (program, tools) => {
  const { withHouse, print, note, clock } = tools;
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
      const scopes = options.scope.flatMap((one) => one.split(','));
      requireScopes(scopes, options.app);
      const made = await withHouse(({ database }) =>
        database.transact(commandContext(), (tx) =>
          createToken(tx, {
            name: options.name,
            scopes,
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
      await withHouse(({ database }) =>
        database
          .transact(commandContext(), (tx) => revokeToken(tx, id))
          .catch((error: unknown) => {
            // To a program `token-refused` is about the token it came with; here it is about the one that was named.
            if (!(error instanceof Problem && error.code === 'token-refused')) throw error;
            throw new CommandRefused(
              'There is no such token to withdraw. "gatehouse token list" shows their ids.',
            );
          }),
      );
      note('The token is withdrawn.');
    });
  registrationTokenCommands(token, tools);
};

/** Says what could be meant before anything is opened. */
function requireScopes(scopes: readonly string[], app: string | undefined): void {
  const known = ['admin', ...roles];
  const unknown = scopes.find((one) => !known.includes(one));
  if (unknown !== undefined)
    throw new UsageError(`There is no role "${plainLine(unknown)}". Roles are: ${known.join(', ')}.`);
  if (!scopes.includes('app-owner')) {
    if (app !== undefined) throw new UsageError('--app goes with --scope app-owner alone.');
  } else if (app === undefined) throw new UsageError('An app-owner needs its app: --app ID.');
  else if (new Set(scopes).size > 1) throw new UsageError('app-owner stands alone, without other roles.');
}

function draw(tokens: readonly ListedToken[], now: Date): string {
  const state = (one: ListedToken) => {
    if (one.revokedAt) return 'withdrawn';
    if (one.expiresAt && one.expiresAt <= now) return 'ended';
    return one.rests ? 'at rest' : 'good';
  };
  return table(
    ['ID', 'NAME', 'ROLES', 'STATE', 'MADE', 'BY', 'ENDS', 'LAST USED'],
    tokens.map((one) => [
      one.id,
      one.name,
      one.roles.join(',') + (one.application ? ` of ${one.application}` : ''),
      state(one),
      shortTime(one.createdAt),
      one.makerName ?? one.createdBy.name ?? '',
      shortTime(one.expiresAt) || 'never',
      shortTime(one.lastUsedAt) || 'never',
    ]),
    'There are no tokens.',
  );
}
