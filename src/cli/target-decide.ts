/** `gatehouse target approve|refuse|brake|strangers|stranger`: a person decides. */
import type { Command } from 'commander';
import type { Tx } from '#kit/db/tx.ts';
import { approve, countProposals, refuse, type Selection } from '#provisioning/approval.ts';
import { brakeState, releaseBrake } from '#provisioning/brake.ts';
import { type Verdict, verdicts } from '#provisioning/plan.ts';
import { decideStranger, type StrangerDecision, strangers } from '#provisioning/strangers.ts';
import { commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, plainLine, shortTime, table } from './table.ts';
import { targetNamed } from './target.ts';
import { namesOf, personNamed, subjectNamed } from './target-people.ts';

export function decideCommands(target: Command, tools: Toolbox): void {
  for (const verb of ['approve', 'refuse'] as const) {
    target
      .command(verb)
      .description(verb === 'approve' ? 'send what was proposed' : 'say no to what was proposed')
      .argument('<app>', 'id of the app')
      .argument('[who...]', 'user names, addresses, ids, group:<name> or stranger:<id there>')
      .option('--all', 'everything that waits')
      .option('--verdict <verdict...>', `only these: ${verdicts.join(', ')}`)
      .action((app: string, who: string[], options: { all?: boolean; verdict?: string[] }) =>
        decide(tools, verb, app, who, options),
      );
  }
  target
    .command('brake')
    .description('what would have been taken away too fast; without options, show it')
    .argument('<app>', 'id of the app')
    .option('--approve <who...>', '`all`, or those who may go')
    .option('--refuse <who...>', '`rest`, or those who stay')
    .option('--json', 'print JSON')
    .action((app: string, options: BrakeOptions) => brake(tools, app, options));
  target
    .command('strangers')
    .description('accounts there that belong to nobody here')
    .argument('<app>', 'id of the app')
    .option('--json', 'print JSON')
    .action((app: string, options: { json?: boolean }) => listStrangers(tools, app, options));
  target
    .command('stranger')
    .description('say what an account of nobody is')
    .argument('<app>', 'id of the app')
    .argument('<id>', 'its id there')
    .argument('<decision>', 'adopt, ignore, remove (a proposal, to be approved) or undecided')
    .argument('[who]', 'whose it is, with adopt')
    .action((app: string, id: string, decision: string, who?: string) =>
      decideOne(tools, app, id, decision, who),
    );
}

function verdictsNamed(given: readonly string[] | undefined): Verdict[] | undefined {
  return given?.map((text) => {
    const known = verdicts.find((one) => one === text);
    if (!known) throw new UsageError(`There is no such verdict. Verdicts are: ${verdicts.join(', ')}.`);
    return known;
  });
}

async function decide(
  tools: Toolbox,
  verb: 'approve' | 'refuse',
  app: string,
  who: readonly string[],
  options: { all?: boolean; verdict?: string[] },
): Promise<void> {
  const chosen = verdictsNamed(options.verdict);
  if (who.length === 0 && !chosen && !options.all)
    throw new UsageError(
      `Say who, --verdict, or --all. \`gatehouse plan ${plainLine(app)}\` shows what waits.`,
    );
  const { count, left } = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const selection: Selection = {
        ...(who.length > 0 && { subjects: await subjectsNamed(tx, who) }),
        ...(chosen && { verdicts: chosen }),
        ...(options.all && { all: true }),
      };
      const decided = await (verb === 'approve' ? approve : refuse)(tx, app, selection);
      const waiting = (await countProposals(tx, app)).filter(({ state }) => state === 'proposed');
      return { count: decided, left: waiting.reduce((sum, one) => sum + one.count, 0) };
    }),
  );
  const done = verb === 'approve' ? 'approved; they are sent as soon as a worker runs' : 'refused';
  tools.note(`${count} ${done}. ${left} still wait.`);
}

async function subjectsNamed(tx: Tx, who: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const one of who) found.push(await subjectNamed(tx, one));
  return found;
}

interface BrakeOptions {
  approve?: string[];
  refuse?: string[];
  json?: boolean;
}

async function brake(tools: Toolbox, app: string, options: BrakeOptions): Promise<void> {
  if (!options.approve && !options.refuse) return showBrake(tools, app, options);
  const done = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      return releaseBrake(tx, app, {
        approve: await meant(tx, options.approve, 'all'),
        refuse: await meant(tx, options.refuse, 'rest'),
      });
    }),
  );
  tools.note(`${done.approved} may go, ${done.refused} stay, ${done.left} still wait.`);
}

async function meant<Word extends string>(
  tx: Tx,
  given: readonly string[] | undefined,
  word: Word,
): Promise<Word | string[] | undefined> {
  if (!given) return undefined;
  return given.length === 1 && given[0] === word ? word : subjectsNamed(tx, given);
}

async function showBrake(
  { withHouse, print, note }: Toolbox,
  app: string,
  options: BrakeOptions,
): Promise<void> {
  const state = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const found = await brakeState(tx, app);
      const names = await namesOf(
        tx,
        [...found.held, ...found.removals].map(({ subject }) => subject),
      );
      return { ...found, names };
    }),
  );
  if (options.json) return print(json(state));
  const { engaged, held, limits, names } = state;
  note(
    engaged
      ? `The brake is on since ${shortTime(engaged.since)}: ${engaged.why}`
      : `The brake is off. It holds what goes beyond ${limits.count} accounts, or beyond ${limits.share * 100} % of ${limits.accounts}, within ${limits.windowMinutes} minutes.`,
  );
  if (engaged && held.length === 0)
    note(`Nothing waits any more. \`gatehouse target brake ${plainLine(app)} --approve all\` takes it off.`);
  print(
    table(
      ['WHO', 'WHAT', 'SINCE', 'WHY'],
      held.map(({ subject, verdict, since, why }) => [
        names[subject] ?? subject,
        verdict,
        shortTime(since),
        why,
      ]),
      'Nothing is held.',
    ),
  );
}

async function listStrangers(
  { withHouse, print }: Toolbox,
  app: string,
  options: { json?: boolean },
): Promise<void> {
  const found = await withHouse(({ database }) =>
    database.read(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const all = [];
      for (let after: string | undefined; ; after = all.at(-1)?.remoteId) {
        const page = await strangers(tx, app, { after, limit: 500 });
        all.push(...page);
        if (page.length < 500) return all;
      }
    }),
  );
  if (options.json) return print(json(found));
  print(
    table(
      ['ID THERE', 'USER NAME', 'ADDRESS', 'ACTIVE', 'DECIDED'],
      found.map(({ remoteId, attributes, active, decision }) => [
        remoteId,
        String(attributes.userName ?? ''),
        String(attributes.email ?? ''),
        active ? 'yes' : 'no',
        decision ?? '',
      ]),
      'Every account there is somebody’s here.',
    ),
  );
}

async function decideOne(
  tools: Toolbox,
  app: string,
  id: string,
  decision: string,
  who: string | undefined,
): Promise<void> {
  if (!['adopt', 'ignore', 'remove', 'undecided'].includes(decision))
    throw new UsageError('There is no such decision. Decisions are: adopt, ignore, remove, undecided.');
  if ((decision === 'adopt') !== (who !== undefined))
    throw new UsageError('adopt, and only adopt, needs whose account it is.');
  await tools.withHouse((house) =>
    house.database.transact(commandContext(), async (tx) => {
      await targetNamed(tx, app);
      const said: StrangerDecision =
        who === undefined
          ? (decision as 'ignore' | 'remove' | 'undecided')
          : { adopt: (await personNamed(tx, who)).id };
      await decideStranger(tx, house, app, id, said);
    }),
  );
  tools.note(
    decision === 'remove'
      ? `It is proposed. \`gatehouse target approve ${plainLine(app)} stranger:${plainLine(id)}\` does it.`
      : 'It is kept.',
  );
}
