/** `gatehouse mail keys`: what mail is signed with: records to publish, the next key, and the way out of one in danger. */
import type { Command } from 'commander';
import { lookForKeys, signingDomains } from '#fronts/relay/key-care.ts';
import {
  activateRelayKey,
  type KeyState,
  keyAlgorithms,
  listRelayKeys,
  makeRelayKey,
  type RelayKey,
  withdrawRelayKey,
} from '#fronts/relay/keys.ts';
import type { Tx } from '#kit/db/tx.ts';
import { CommandRefused, commandContext, requireYes, type Toolbox, UsageError } from './cli.ts';
import { mailOf } from './mail-settings.ts';
import { json, plainLine, shortTime, table } from './table.ts';

interface Json {
  json?: boolean;
}

interface Yes {
  yes?: boolean;
}

/** Adds the commands below `mail`. */
export function keyCommands(mail: Command, tools: Toolbox): void {
  const keys = mail
    .command('keys')
    .description('keys that mail is signed with, and the records to publish; never their private half')
    .option('--json', 'print JSON')
    .action((options: Json) => showKeys(tools, options));
  // Those below know --json as well: it is read wherever it stands.
  keys
    .command('make')
    .description('make the next key of a domain, or show the one that waits: it signs once it is published')
    .argument('<domain>', 'of alias mailboxes, or of our own mail')
    .option('--algorithm <name>', keyAlgorithms.join(' or '), keyAlgorithms[0])
    .action((domain: string, _options: object, command: Command) =>
      make(tools, domain, command.optsWithGlobals()),
    );
  keys
    .command('look')
    .description('look for their records now: what is published signs from now on')
    .action((_options: object, command: Command) => lookNow(tools, command.optsWithGlobals()));
  keys
    .command('activate')
    .description('sign with this key from now on, seen in DNS or not; the one that did retires')
    .argument('<selector>')
    .option('--yes', 'its record is published')
    .action((selector: string, options: Yes) => activate(tools, selector, options));
  keys
    .command('withdraw')
    .description('take a key away at once, because somebody else may have it')
    .argument('<selector>')
    .option('--yes', 'it signs nothing any more')
    .action((selector: string, options: Yes) => withdraw(tools, selector, options));
}

/** What its state means, in the words of the console. */
const states: Record<KeyState, string> = {
  next: 'to be published',
  active: 'signs',
  retiring: 'signs no more',
};

async function showKeys({ withHouse, print }: Toolbox, options: Json): Promise<void> {
  const { keys, bare } = await withHouse(({ database }, settings) =>
    database.read(commandContext(), async (tx) => {
      const found = await listRelayKeys(tx);
      const domains = await signingDomains(tx, mailOf(settings).mailFrom);
      const signed = new Set(found.filter(({ state }) => state === 'active').map(({ domain }) => domain));
      return { keys: found, bare: domains.filter((one) => !signed.has(one)) };
    }),
  );
  if (options.json) return print(json(keys));
  print(draw(keys));
  for (const domain of bare) {
    const waits = keys.some((key) => key.domain === domain && key.state === 'next');
    const how = waits ? 'publish the record above' : `"gatehouse mail keys make ${plainLine(domain)}"`;
    print(`\nMail of ${plainLine(domain)} is not signed: ${how}.`);
  }
}

function draw(keys: readonly RelayKey[]): string {
  const rows = keys.map((key) => [
    ...[key.domain, key.selector, key.algorithm, states[key.state], shortTime(key.changedAt)],
    key.keepUntil === undefined ? '' : `record stays until ${shortTime(key.keepUntil)}`,
  ]);
  const list = table(
    ['DOMAIN', 'SELECTOR', 'ALGORITHM', 'STATE', 'SINCE', ''],
    rows,
    'There are no keys yet. One is made for each domain of alias mailboxes soon after the start.',
  );
  const records = keys.filter(({ state }) => state === 'next').map(recordOf);
  return [list, ...records].join('\n');
}

/** In the form `gatehouse mail health` has for what is to be published. */
function recordOf({ name, record }: RelayKey): string {
  return `  publish  ${plainLine(`${name}  TXT  ${record}`)}`;
}

async function make(
  { withHouse, print, note }: Toolbox,
  domain: string,
  options: Json & { algorithm: string },
): Promise<void> {
  const algorithm = keyAlgorithms.find((one) => one === options.algorithm);
  if (algorithm === undefined)
    throw new UsageError(`--algorithm is ${keyAlgorithms.join(' or ')}; everybody can check the first.`);
  const wanted = domain.trim().toLowerCase();
  const key = await withHouse(({ database, secrets }, settings) =>
    database.transact(commandContext(), async (tx) => {
      const domains = await signingDomains(tx, mailOf(settings).mailFrom);
      if (!domains.includes(wanted))
        throw new CommandRefused(`Mail is signed for ${domains.map(plainLine).join(' and ')} alone.`);
      return makeRelayKey(tx, secrets, { domain: wanted, algorithm });
    }),
  );
  if (options.json) return print(json(key));
  print(recordOf(key));
  note('It signs once this record is seen in DNS, which is looked for every ten minutes.');
}

async function lookNow({ withHouse, print, note }: Toolbox, options: Json): Promise<void> {
  const { look, keys } = await withHouse(async ({ database, log }, settings) => ({
    look: await lookForKeys({ database, log, dnsServers: mailOf(settings).dnsServers }),
    keys: await database.read(commandContext(), listRelayKeys),
  }));
  print(options.json ? json(keys) : draw(keys));
  if (look.unanswered.length > 0) {
    const names = keys.filter(({ id }) => look.unanswered.includes(id)).map(({ name }) => plainLine(name));
    throw new CommandRefused(`The name servers did not answer about ${names.join(' and ')}. Try again.`);
  }
  note(look.changed === 0 ? 'Nothing has changed.' : 'What is published signs from now on, on every node.');
}

async function activate({ withHouse, note }: Toolbox, selector: string, { yes }: Yes): Promise<void> {
  const { domain } = await withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const key = await requireKey(tx, selector);
      if (key.state === 'active') throw new CommandRefused('This key signs already.');
      requireYes(
        yes,
        'Until its record is published, whoever gets mail cannot check the signature. Add --yes to sign with it now.',
      );
      return (await activateRelayKey(tx, key.id)) ?? goneMeanwhile();
    }),
  );
  note(`Mail of ${plainLine(domain)} is signed with it from now on, on every node.`);
}

async function withdraw({ withHouse, note }: Toolbox, selector: string, { yes }: Yes): Promise<void> {
  const { domain, isSigned } = await withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const key = await requireKey(tx, selector);
      const isLast = key.state === 'active' && !(await signs(tx, key.domain, key.id));
      requireYes(
        yes,
        isLast
          ? `No other key signs mail of ${plainLine(key.domain)}: it is not signed then. Add --yes to do it.`
          : 'It is gone for good. Add --yes to do it.',
      );
      if (!(await withdrawRelayKey(tx, key.id))) goneMeanwhile();
      return { domain: plainLine(key.domain), isSigned: !isLast };
    }),
  );
  note('The key is gone. Take its record out of DNS: whatever it signed can be checked no more then.');
  if (!isSigned)
    note(`Mail of ${domain} is not signed any more. "gatehouse mail keys make ${domain}" makes the next.`);
}

async function signs(tx: Tx, domain: string, but: string): Promise<boolean> {
  const keys = await listRelayKeys(tx);
  return keys.some((key) => key.domain === domain && key.state === 'active' && key.id !== but);
}

async function requireKey(tx: Tx, selector: string): Promise<RelayKey> {
  const found = (await listRelayKeys(tx)).find((key) => key.selector === selector);
  if (!found) throw new CommandRefused('There is no such key. "gatehouse mail keys" shows their selectors.');
  return found;
}

function goneMeanwhile(): never {
  throw new CommandRefused('Somebody else withdrew this key a moment ago.');
}
