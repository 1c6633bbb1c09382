/** `gatehouse relay`: mail to alias mailboxes: what became of it, who may write, the switch that stops it. */
import { findApplication } from '#core/applications/applications.ts';
import { findByIdentifier, findPeople, findPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { type Explained, explainArrival, readClient } from '#fronts/relay/explain.ts';
import { listMessages, type NotedMessage, type Verdict, verdicts } from '#fronts/relay/messages.ts';
import { isRelayReason, reasonForOperators, relayReasons } from '#fronts/relay/reasons.ts';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { relayApps, relayHouse, saveRelayApp, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type AddCommand, CommandRefused, commandContext, type Toolbox, UsageError } from './cli.ts';
import { listCommands } from './relay-lists.ts';
import { addPostfixConfig } from './relay-postfix.ts';
import { requestCommands } from './relay-requests.ts';
import { json, parseCount, parseDuration, plainLine, shortTime, table } from './table.ts';

interface LogOptions {
  app?: string;
  person?: string;
  since?: string;
  verdict?: string;
  reason?: string;
  limit: string;
  json?: boolean;
}

export const relayCommand: AddCommand = (program, tools) => {
  const relay = program
    .command('relay')
    .description('mail to alias mailboxes: what became of it, who may write');
  relay
    .command('log')
    .description('what became of each message, latest first; never its text')
    .option('--app <id>', 'of one app')
    .option('--person <who>', 'user name, confirmed address or id')
    .option('--since <when>', 'like 2h, 7d, or 2026-11-22')
    .option('--verdict <verdict>', verdicts.join(', '))
    .option('--reason <reason>', 'why, as the log names it')
    .option('--limit <number>', 'how many at most', '50')
    .option('--json', 'print JSON')
    .action((options: LogOptions) => log(tools, options));
  listCommands(relay, tools);
  requestCommands(relay, tools);
  for (const word of ['off', 'on'] as const)
    relay
      .command(word)
      .description(word === 'off' ? 'stop all mail, or that of one app, at once' : 'let it go on')
      .option('--app <id>', 'of one app alone')
      .action((options: { app?: string }) => switchTo(tools, word, options.app));
  relay
    .command('explain')
    .description('what would be decided about a sender and a recipient now, and why')
    .argument('<network>', 'address the mail comes from')
    .argument('<sender>', 'envelope sender; "" is the null sender')
    .argument('<recipient>', 'address it goes to')
    .option('--without-tls', 'as if STARTTLS was not used')
    .option('--json', 'print JSON')
    .action((network: string, sender: string, recipient: string, options: ExplainOptions) =>
      explain(tools, { network, sender, recipient }, options),
    );
  addPostfixConfig(relay, tools);
};

async function log({ withHouse, print, clock }: Toolbox, options: LogOptions): Promise<void> {
  const { app, person: who, verdict, reason } = options;
  if (verdict !== undefined && !(verdicts as readonly string[]).includes(verdict))
    throw new UsageError(`There is no such verdict. Verdicts are: ${verdicts.join(', ')}.`);
  if (reason !== undefined && !isRelayReason(reason))
    throw new UsageError(`There is no such reason. Reasons are: ${relayReasons.join(', ')}.`);
  const limit = parseCount(options.limit);
  const since = options.since === undefined ? undefined : parseSince(options.since, clock.now());
  const { found, names } = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      if (app !== undefined) await known(tx, app);
      const person = who === undefined ? undefined : await personId(tx, who);
      const filter = { application: app, person, verdict: verdict as Verdict | undefined, reason, since };
      const messages = await listMessages(tx, filter, { limit });
      const people = [...new Set(messages.flatMap((one) => one.person ?? []))];
      const named = people.length > 0 ? await findPeople(tx, people) : [];
      return { found: messages, names: new Map(named.map(({ id, username }) => [id, username])) };
    }),
  );
  const lines = found.map((one) => line(one, names));
  if (options.json) return print(json(lines));
  print(
    table(
      ['TIME', 'APP', 'PERSON', 'VERDICT', 'REASON', 'SENDER', 'WHY'],
      lines.map((one) => [
        shortTime(one.time),
        one.app ?? '',
        one.person ?? one.recipient ?? '',
        one.verdict,
        one.reason,
        senderShown(one),
        one.bouncedAt ? `It came back later (${one.bounceStatus}).` : one.because,
      ]),
      'Nothing has arrived that fits.',
    ),
  );
}

/** The envelope sender, and From where it names another: that one is what domains of an app are compared with. */
function senderShown({ sender, from }: { sender?: string; from?: string }): string {
  const envelope = sender === '' ? '<>' : (sender ?? '');
  return from === undefined || from === envelope.toLowerCase() ? envelope : `${envelope} (From ${from})`;
}

/** Refuses in words for a terminal: those of pages speak of an address somebody came from. */
async function known(tx: Tx, app: string): Promise<void> {
  if (!(await findApplication(tx, app)))
    throw new CommandRefused(
      `There is no app "${plainLine(app.slice(0, 60))}". "gatehouse apps list" names those that are here.`,
    );
}

async function personId(tx: Tx, who: string): Promise<string> {
  const person = (await findPerson(tx, who)) ?? (await findByIdentifier(tx, who));
  if (!person) throw new Problem('person-unknown');
  return person.id;
}

/** A message as scripts read it. */
function line(message: NotedMessage, names: ReadonlyMap<string, string>) {
  const { at, application, person, verdict, reason, headerFrom, client, ...rest } = message;
  return {
    time: at,
    app: application,
    person: names.get(person ?? ''),
    verdict,
    reason,
    because: isRelayReason(reason) ? reasonForOperators(reason) : reason,
    from: headerFrom,
    network: client,
    ...rest,
  };
}

function parseSince(text: string, now: Date): Date {
  if (/^\d+\s*[mhdw]$/.test(text.trim())) return new Date(now.getTime() - parseDuration(text) * 1000);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : undefined;
  if (at === undefined || Number.isNaN(at.getTime()))
    throw new UsageError(`"${plainLine(text.slice(0, 40))}" is no time. Write 2h, 7d or 2026-11-22.`);
  return at;
}

async function switchTo(
  { withHouse, note }: Toolbox,
  word: 'off' | 'on',
  app: string | undefined,
): Promise<void> {
  const off = word === 'off';
  await withHouse(({ database }) =>
    database.transact(
      commandContext(),
      async (tx) => {
        if (app === undefined) return saveRelayHouse(tx, { ...(await relayHouse(tx)), off });
        await known(tx, app);
        const before = (await relayApps(tx)).find((one) => one.id === app)?.settings;
        return saveRelayApp(tx, app, relayAppSettings.parse({ ...before, off }));
      },
      { isolation: 'repeatable read' },
    ),
  );
  const what = app === undefined ? 'Mail to alias mailboxes' : `Mail of ${plainLine(app)}`;
  note(
    off
      ? `${what} is passed on no more${app === undefined ? '; senders are told to try again later' : ''}.`
      : `${what} is passed on again.`,
  );
}

interface ExplainOptions {
  withoutTls?: boolean;
  json?: boolean;
}

async function explain(
  { withHouse, print }: Toolbox,
  { network, sender, recipient }: { network: string; sender: string; recipient: string },
  options: ExplainOptions,
): Promise<void> {
  const client = readClient(network);
  if (client === undefined)
    throw new UsageError(`"${plainLine(network.slice(0, 60))}" is no address. Write one like 192.0.2.7.`);
  const { said, username } = await withHouse(async (house, settings) => {
    const mailDomain = settings.mailDomain ?? new URL(settings.publicUrl).hostname;
    const arrival = { client, sender: bare(sender), recipient: bare(recipient), tls: !options.withoutTls };
    const explained = await explainArrival({ ...house, mailDomain }, arrival);
    const { person } = explained;
    const [named] =
      person === undefined
        ? []
        : await house.database.read(commandContext(), (tx) => findPeople(tx, [person]));
    return { said: explained, username: named?.username };
  });
  if (options.json) return print(json({ ...said, person: username }));
  print(draw(said, username));
}

const bare = (address: string) => address.replace(/^<(.*)>$/, '$1');

function draw(
  { admitted, recipientClass, answer, because, apps, lists, reason }: Explained,
  person?: string,
): string {
  const refusal = admitted
    ? `The recipient would be taken, and the message refused: ${answer}`
    : `It would be refused: ${answer}`;
  const lines = [
    answer === undefined ? 'The recipient would be taken.' : refusal,
    `  why        ${because}${reason === undefined ? '' : ` (${reason})`}`,
    `  recipient  ${recipientClass}${person === undefined ? '' : `, ${person}`}`,
    `  lists      ${lists.join(', ') || 'none names this network'}`,
    ...apps.flatMap(({ application, mode, domains, require, holds }) => [
      `  app        ${application} (${mode}): From ${domains.join(', ') || 'any domain'}; proved by ${require.join(', ') || 'nothing'}`,
      ...holds.map((hold) => `    refused    ${hold.classes.join(', ')}: ${hold.answer} (${hold.reason})`),
    ]),
  ];
  return lines.map(plainLine).join('\n');
}
