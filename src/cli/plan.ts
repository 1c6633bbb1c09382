/** `gatehouse plan TARGET`: for every person, what would be done and why; nothing is sent. */
import { setTimeout as sleep } from 'node:timers/promises';

import { Retry, Stop } from '#provisioning/connector.ts';
import { ListingOvertaken, listingOf, listTarget } from '#provisioning/listing.ts';
import type { FieldChange, Verdict } from '#provisioning/plan.ts';
import { shownFields } from '#provisioning/plan-fields.ts';
import { type PersonVerdict, planTarget, type TargetPlan } from '#provisioning/reconcile.ts';
import type { Target } from '#provisioning/targets.ts';
import { type AddCommand, type CommandHouse, CommandRefused, commandContext, type Toolbox } from './cli.ts';
import { type Progress, startProgress } from './progress.ts';
import { json, plainLine, shortTime, table } from './table.ts';
import { targetNamed } from './target.ts';

interface Options {
  json?: boolean;
  fresh?: boolean;
  all?: boolean;
}

export const planCommand: AddCommand = (program, tools) => {
  program
    .command('plan')
    .description('what would be done at a target, for every person; nothing is sent')
    .argument('<app>', 'id of the app')
    .option('--fresh', 'read everything that is there first, even where that was done before')
    .option('--all', 'also those who are as they should be')
    .option('--json', 'print JSON')
    .action((app: string, options: Options) => plan(tools, app, options));
};

async function plan(tools: Toolbox, app: string, options: Options): Promise<void> {
  const people: PersonVerdict[] = [];
  const made = await tools.withHouse(async (house) => {
    const target = await house.database.read(commandContext(), (tx) => targetNamed(tx, app));
    const listed = await list(tools, house, target, options.fresh ?? false);
    const progress = startProgress('Planning', tools.io.errors);
    const result = await planTarget(house, listed, {
      onPeople(some) {
        people.push(...some);
        progress.show(people.length, people.length);
      },
    }).finally(progress.end);
    return result;
  });
  if (options.json) return tools.print(json({ ...made, entries: people }));
  draw(tools, made, options.all ? people : people.filter(({ verdict }) => verdict !== 'unchanged'));
}

/** The target with a listing: the last one, or a new one where there is none or one is wanted. */
async function list(tools: Toolbox, house: CommandHouse, target: Target, fresh: boolean): Promise<Target> {
  const canList = house.connectors.get(target.connector)?.capabilities.list ?? false;
  if (!canList || (target.listedAt && !fresh)) return target;
  const { application } = target;
  const progress = startProgress('Listing', tools.io.errors);
  try {
    // One that is under way is as fresh as one that begins now.
    if (await waitForOther(house, application, progress)) return await listedTarget(house, application);
    const listing = await listTarget(house, target, {
      resume: !fresh,
      onProgress: ({ seen, total }) => progress.show(seen, total ?? seen),
    });
    return listing.complete ? listing.target : incomplete(listing.why);
  } catch (error) {
    if (error instanceof ListingOvertaken) {
      await waitForOther(house, application, progress);
      return await listedTarget(house, application);
    }
    if (!(error instanceof Retry || error instanceof Stop)) throw error;
    throw new CommandRefused(`${plainLine(application)} could not be listed: ${plainLine(error.message)}`);
  } finally {
    progress.end();
  }
}

const lookEveryMs = 300;
/** A listing that has brought nothing for so long is not waited for. */
const silentMs = 60_000;

/** Waits for a listing that is under way elsewhere. False when there is none, or it does not move. */
async function waitForOther(house: CommandHouse, application: string, progress: Progress): Promise<boolean> {
  let moved = Date.now();
  for (let seen = -1, waited = false; ; waited = true) {
    const listing = await house.database.read(commandContext(), (tx) => listingOf(tx, application));
    if (listing?.state !== 'running') return waited;
    if (listing.seen !== seen) {
      seen = listing.seen;
      moved = Date.now();
      progress.show(seen, listing.total ?? seen);
    } else if (Date.now() - moved > silentMs) return false;
    await sleep(lookEveryMs);
  }
}

async function listedTarget({ database }: CommandHouse, application: string): Promise<Target> {
  const [target, listing] = await database.read(commandContext(), async (tx) => [
    await targetNamed(tx, application),
    await listingOf(tx, application),
  ]);
  return listing?.state === 'complete' ? target : incomplete(listing?.why);
}

function incomplete(why = ''): never {
  throw new CommandRefused(`The listing was not complete: ${plainLine(why)}`);
}

const outlookWords: Record<PersonVerdict['outlook'], string> = {
  sends: 'goes by itself',
  waits: 'waits',
  left: 'was refused',
  none: '',
};

function draw({ print, note }: Toolbox, made: TargetPlan, people: readonly PersonVerdict[]): void {
  const differ = made.people - made.totals.unchanged;
  if (people.length > 0 || differ === 0)
    print(
      table(
        ['WHO', 'VERDICT', 'THEN', 'WHY', 'WAS → WILL'],
        people.map(({ username, person, verdict, outlook, why, fields }) => [
          username ?? person,
          verdict,
          outlookWords[outlook],
          why,
          isNew(verdict) ? '' : changesText(fields),
        ]),
        'Everybody there is as they should be.',
      ),
    );
  if (made.groups.length > 0)
    print(
      `\n${table(
        ['GROUP', 'CALLED THERE', 'VERDICT', 'WHY'],
        made.groups.map(({ name, nameThere, verdict, why }) => [name, nameThere, verdict, why]),
        '',
      )}`,
    );
  for (const line of summary(made)) note(line);
}

const mostChanges = 4;
const longestValue = 60;

/** Nothing was there, and everything will be. */
const isNew = (verdict: Verdict) => verdict === 'create' || verdict === 'invite';

/** `displayName: Ada → Ada Byron`, of the first fields. */
export function changesText(fields: readonly FieldChange[]): string {
  const changed = shownFields(fields);
  const shown = changed
    .slice(0, mostChanges)
    .map(({ name, was, will }) => `${name}: ${valueText(was)} → ${valueText(will)}`);
  const more = changed.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

function valueText(value: FieldChange['was']): string {
  if (value === null) return 'nothing';
  const text = Array.isArray(value) ? value.join(', ') : String(value);
  return text.length > longestValue ? `${text.slice(0, longestValue - 1).toWellFormed()}…` : text;
}

function summary(made: TargetPlan): string[] {
  const counts = (Object.entries(made.totals) as [Verdict, number][]).filter(([, count]) => count > 0);
  const totals = counts.map(([verdict, count]) => `${count.toLocaleString('en')} ${verdict}`).join(', ');
  const { listing, strangers } = made;
  const took =
    listing?.tookMs === undefined
      ? ''
      : `; listing ${listing.seen.toLocaleString('en')} accounts took ${duration(listing.tookMs / 1000)}`;
  return [
    '',
    `${made.people.toLocaleString('en')} people: ${totals || 'nothing to say'}. ${made.outside.toLocaleString('en')} others have no account there.`,
    `Sending ${made.writes.toLocaleString('en')} changes (${made.calls.toLocaleString('en')} calls) takes ${duration(made.seconds)} at the rate of the target${took}.`,
    ...(made.listedAt
      ? [`What is there was read at ${shortTime(made.listedAt)}; --fresh reads it again.`]
      : []),
    ...(strangers.undecided > 0
      ? [
          `${strangers.undecided} accounts there belong to nobody here: gatehouse target strangers ${plainLine(made.application)}`,
        ]
      : []),
    ...(made.mode === 'plan'
      ? [
          `Nothing is sent before somebody approves: gatehouse target approve ${plainLine(made.application)} --all`,
        ]
      : []),
  ];
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 1) return 'less than a second';
  if (seconds <= 1) return 'about a second';
  if (seconds < 90) return `about ${Math.ceil(seconds)} seconds`;
  if (seconds < 5400) return `about ${Math.ceil(seconds / 60)} minutes`;
  return `about ${Math.round(seconds / 360) / 10} hours`;
}
