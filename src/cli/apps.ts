/** `gatehouse apps`: the apps of the community. */
import { listApplications } from '#core/applications/applications.ts';
import { appAddCommands } from './apps-add.ts';
import { appTestCommand } from './apps-test.ts';
import { type AddCommand, commandContext } from './cli.ts';
import { json, table } from './table.ts';

export const appsCommand: AddCommand = (program, tools) => {
  const { withHouse, print } = tools;
  const apps = program.command('apps').description('apps people sign in to');
  apps
    .command('list')
    .description('all apps')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const found = await withHouse(({ database }) => database.read(commandContext(), listApplications));
      if (options.json) return print(json(found));
      print(
        table(
          ['ID', 'TITLE', 'STATE', 'WHO MAY ENTER', 'SECRET', 'ADDRESS'],
          found.map(({ id, settings, hasSecret }) => [
            id,
            settings.title,
            `${settings.enabled ? 'on' : 'off'}${settings.oidc?.registered ? ', registered itself' : ''}`,
            settings.access.groups?.join(', ') ?? 'everyone',
            hasSecret ? 'set' : 'none',
            settings.url ?? '',
          ]),
          'There are no apps.',
        ),
      );
    });
  appAddCommands(apps, tools);
  appTestCommand(apps, tools);
};
