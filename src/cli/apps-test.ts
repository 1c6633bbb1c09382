/** `gatehouse apps test`: what a sign-in would tell an app of somebody. Nobody is signed in and nothing is sent. */
import type { Command } from 'commander';
import { requireApplication } from '#core/applications/applications.ts';
import { problems } from '#core/problem.ts';
import type { SignInPreview } from '#signon/preview.ts';
import { type CommandHouse, type CommandSettings, commandContext, type Toolbox } from './cli.ts';
import { json, plainLine, table } from './table.ts';
import { personNamed } from './target-people.ts';

interface TestOptions {
  json?: boolean;
  message?: boolean;
}

export function appTestCommand(apps: Command, { withHouse, print, note }: Toolbox): void {
  apps
    .command('test')
    .description('what a sign-in would tell an app of somebody, and why; nothing is sent')
    .argument('<app>', 'id of the app')
    .argument('<person>', 'user name, confirmed address or id')
    .option('--message', 'print the message as it would be, but for its signature')
    .option('--json', 'print JSON')
    .action(async (app: string, person: string, options: TestOptions) => {
      const found = await withHouse((house, config) => preview(house, config, app, person));
      if (options.json) return print(json(found));
      for (const line of remarks(found)) note(line);
      print(draw(found));
      if (options.message) for (const { message } of found.tellings) print(message);
    });
}

/** What knows the protocols is loaded here alone: it is more than other commands need. */
async function preview(
  house: CommandHouse,
  config: CommandSettings,
  app: string,
  who: string,
): Promise<SignInPreview> {
  const { previewSignIn } = await import('#signon/preview.ts');
  const { oidcTeller } = await import('#fronts/oidc/preview.ts');
  const { samlTeller } = await import('#fronts/saml/preview.ts');
  const needs = { ...house, issuer: new URL(config.issuer), publicUrl: new URL(config.publicUrl) };
  const tellers = [samlTeller(needs), oidcTeller(needs)];
  return house.database.read(commandContext(), async (tx) => {
    const application = await requireApplication(tx, app);
    const person = await personNamed(tx, who);
    return previewSignIn(tx, { secrets: house.secrets, tellers }, application, person.id);
  });
}

function remarks({ refused, asksConsent, tellings, lacking }: SignInPreview): string[] {
  return [
    ...(refused ? [`They would not be let in: ${problems[refused]}`] : []),
    ...(asksConsent ? ['They would be asked first, once.'] : []),
    ...tellings.flatMap(({ nameless }) =>
      nameless ? [`The app cannot be told who it is: ${problems[nameless]}`] : [],
    ),
    ...lacking.map(({ why, change }) => `Missing: ${why} ${change}`),
  ].map(plainLine);
}

function draw({ tellings }: SignInPreview): string {
  return table(
    ['TOLD AS', 'VALUE', 'WHY'],
    tellings.flatMap(({ told }) => told.map(({ name, values, why }) => [name, values.join(', '), why])),
    'This app would be told nothing.',
  );
}
