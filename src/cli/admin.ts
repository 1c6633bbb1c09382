/** `gatehouse admin invite`: the one-time way to a first (or another) owner, for whoever holds this machine. */
import { reopenSetup, setupToken } from '#core/operators/setup.ts';
import { type AddCommand, commandContext } from './cli.ts';

export const adminCommand: AddCommand = (program, { withHouse, print, note }) => {
  const admin = program.command('admin').description('operators of this installation');
  admin
    .command('invite')
    .description('print a link that makes one person an owner, once')
    .action(async () => {
      const url = await withHouse(async ({ database, secrets }, settings) => {
        const setup = await database.transact(commandContext(), reopenSetup);
        const link = new URL('/admin/setup', settings.publicUrl);
        link.searchParams.set('token', setupToken(secrets, setup));
        return link.href;
      });
      print(url);
      note('Earlier links are dead now. This one works once.');
    });
};
