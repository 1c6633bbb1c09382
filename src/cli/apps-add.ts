/** `gatehouse apps templates|add|connection`: apps known by name, and what to paste on the other side. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  applicationId,
  findApplication,
  requireApplication,
  saveApplication,
  setSecret,
} from '#core/applications/applications.ts';
import { usesSecret } from '#core/applications/client-keys.ts';
import {
  type AppTemplate,
  findTemplate,
  type MadeSettings,
  makeSettings,
  type Ours,
  type Paste,
  pastes,
  templateOf,
  templates,
} from '#core/applications/templates.ts';
import { nearest } from '#kit/spelling/spelling.ts';
import {
  type CommandHouse,
  CommandRefused,
  type CommandSettings,
  commandContext,
  type Toolbox,
  UsageError,
} from './cli.ts';
import { json, plainLine, table } from './table.ts';

interface AddOptions {
  set: string[];
  id?: string;
  dryRun?: boolean;
  json?: boolean;
}

export function appAddCommands(apps: Command, tools: Toolbox): void {
  apps
    .command('templates')
    .description('apps known by name, or what one of them asks')
    .argument('[template]')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: { json?: boolean }) => listTemplates(tools, name, options));
  apps
    .command('add')
    .description('add an app from a template')
    .argument('<template>', '"gatehouse apps templates" lists them')
    .option('--set <name=value...>', 'what the template asks; name=@file reads a file', [])
    .option('--id <id>', 'what the app is called here and, as client, there')
    .option('--dry-run', 'show the settings, and add nothing')
    .option('--json', 'print JSON')
    .action((name: string, options: AddOptions) => add(tools, name, options));
  apps
    .command('connection')
    .description('what to paste on the other side')
    .argument('<app>', 'id of the app')
    .option('--json', 'print JSON')
    .action((app: string, options: { json?: boolean }) => connection(tools, app, options));
}

function templateNamed(name: string): AppTemplate {
  const found = findTemplate(name);
  if (found) return found;
  const names = templates.map((one) => one.name);
  const meant = nearest(name, names);
  throw new UsageError(
    `There is no template ${plainLine(name)}. ${meant ? `Did you mean ${meant}?` : `There are: ${names.join(', ')}.`}`,
  );
}

function listTemplates({ print }: Toolbox, name: string | undefined, options: { json?: boolean }): void {
  print(name === undefined ? allTemplates(options) : oneTemplate(templateNamed(name), options));
}

function allTemplates(options: { json?: boolean }): string {
  const rows = templates.map(({ name, title, about }) => ({ name, title, about }));
  if (options.json) return json(rows);
  const cells = rows.map(({ name, title, about }) => [name, title, about]);
  return table(['TEMPLATE', 'APP', 'HOW'], cells, 'There are no templates.');
}

function oneTemplate(template: AppTemplate, options: { json?: boolean }): string {
  if (options.json) return json(template);
  const fields = template.fields.map(({ name, required, title, help, choices }) => [
    name,
    required ? 'yes' : 'no',
    `${title}. ${help}${choices ? ` One of ${choices.map(({ value }) => value).join(', ')}.` : ''}`,
  ]);
  return [
    `${template.title}. ${template.about}`,
    table(['--set', 'NEEDED', 'WHAT'], fields, 'It asks nothing.'),
    ...template.notes.map((note) => `Note: ${note}`),
  ].join('\n');
}

/** `site=harbour`, `metadata=@sp.xml` → values by name. */
async function readSet(given: readonly string[]): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const one of given) {
    const [, name, text] = /^([A-Za-z]+)=(.*)$/s.exec(one) ?? [];
    if (name === undefined || text === undefined)
      throw new UsageError(`"${plainLine(one.slice(0, 60))}" is not name=value.`);
    values[name] = text.startsWith('@') ? await readValueFile(text.slice(1)) : text;
  }
  return values;
}

async function readValueFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new CommandRefused(`${path} cannot be read.`);
  }
}

async function add(tools: Toolbox, name: string, options: AddOptions): Promise<void> {
  const template = templateNamed(name);
  const id = options.id ?? template.usual.id;
  if (!applicationId.safeParse(id).success)
    throw new UsageError('An id has small letters, digits and dashes, 2 to 40, and begins with a letter.');
  const made = await settingsOf(tools, template, await readSet(options.set));
  if ('faults' in made)
    throw new UsageError(made.faults.map(({ field, text }) => `${field} ${text}.`).join('\n'));
  const { settings } = made;
  const { print, note } = tools;
  if (options.dryRun) {
    print(json({ id, settings }));
    return note('Nothing was added.');
  }
  const confidential = usesSecret(settings.oidc);
  const { secret, there } = await tools.withHouse(async (house, config) => {
    const given = await house.database.transact(commandContext(), async (tx) => {
      if (await findApplication(tx, id))
        throw new CommandRefused(`There is an app ${id} already. --id gives the new one another id.`);
      await saveApplication(tx, id, settings);
      return confidential ? (await setSecret(tx, id)).secret : undefined;
    });
    return {
      secret: given,
      there: pastes(template, { id, settings }, await oursFor(template, house, config)),
    };
  });
  const whole = there.map((one) => (one.from === 'client-secret' ? { ...one, value: secret } : one));
  if (options.json) return print(json({ id, settings, there: whole }));
  note(`The app ${id} was added. Paste on the other side${secret ? '; the secret is shown this once' : ''}:`);
  print(draw(whole));
  for (const text of template.notes) note(`Note: ${text}`);
}

/** What the app publishes of itself is fetched, so that nobody has to type it. */
async function settingsOf(
  tools: Toolbox,
  template: AppTemplate,
  given: Record<string, string>,
): Promise<MadeSettings> {
  if (given.metadataUrl === undefined || given.entityId !== undefined) return makeSettings(template, given);
  const { withEntityId } = await import('#fronts/saml/published.ts');
  const learnt = await tools.withHouse((house) => withEntityId(house, template, given));
  return 'fault' in learnt ? { faults: [learnt.fault] } : makeSettings(template, learnt.values);
}

async function connection(tools: Toolbox, app: string, options: { json?: boolean }): Promise<void> {
  const there = await tools.withHouse(async (house, config) => {
    const application = await house.database.read(commandContext(), (tx) => requireApplication(tx, app));
    const template = templateOf(application.settings);
    return template ? pastes(template, application, await oursFor(template, house, config)) : [];
  });
  tools.print(options.json ? json(there) : draw(there));
}

/** Loaded here alone: what knows the protocols is more than other commands need. */
async function oursFor(template: AppTemplate, house: CommandHouse, config: CommandSettings): Promise<Ours> {
  const needs = { ...house, issuer: new URL(config.issuer), publicUrl: new URL(config.publicUrl) };
  const none = { entityId: '', ssoUrl: '', sloUrl: '', metadataUrl: '', certificates: [] };
  const { oidcOurs } = await import('#fronts/oidc/ours.ts');
  const { samlOurs } = await import('#fronts/saml/ours.ts');
  return { saml: template.speaks === 'saml' ? await samlOurs(needs) : none, oidc: oidcOurs(needs) };
}

/** What has one line in columns, then what has several below its name. */
function draw(there: readonly Paste[]): string {
  const lines = there.filter((one) => !one.long);
  const blocks = there.flatMap((one) => (one.long ? [`${one.label}:\n${one.value ?? ''}`] : []));
  const known = table(
    ['THERE', 'VALUE'],
    lines.map(({ label, value, from }) => [label, value ?? (from === 'client-secret' ? '(made once)' : '')]),
    'This app speaks no protocol of ours: nothing is to be pasted.',
  );
  return [known, ...blocks].join('\n');
}
