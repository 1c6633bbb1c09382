/** The commands that work and end, by the heading each stands under in the help. */
import { adminCommand } from './admin.ts';
import { applyCommand, type DeclaredPart, exportCommand } from './apply.ts';
import { appsCommand } from './apps.ts';
import { backupCommand } from './backup.ts';
import type { AddCommand } from './cli.ts';
import { eventsCommand } from './events.ts';
import { explainCommand } from './explain.ts';
import { importCommand } from './import.ts';
import { keysCommand } from './keys.ts';
import { mailCommand } from './mail.ts';
import { peopleCommand } from './people.ts';
import { planCommand } from './plan.ts';
import { profileCommand } from './profile.ts';
import { relayCommand } from './relay.ts';
import { restoreCommand } from './restore.ts';
import { targetCommand } from './target.ts';
import { tokenCommand } from './token.ts';

/** @param parts what stands right of the commands; loaded when one of them needs it */
export function commands(parts: { declared(): Promise<DeclaredPart> }): Record<string, AddCommand[]> {
  return {
    'The community as a file:': [applyCommand(parts.declared), exportCommand(parts.declared)],
    'People of an older system:': [importCommand],
    'People, apps, operators:': [
      peopleCommand,
      appsCommand,
      explainCommand,
      eventsCommand,
      adminCommand,
      tokenCommand,
      keysCommand,
    ],
    'Accounts at other apps:': [targetCommand, planCommand, profileCommand],
    'Mail:': [mailCommand, relayCommand],
    'Keep it safe:': [backupCommand, restoreCommand],
  };
}
