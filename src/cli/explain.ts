/** `gatehouse explain`: can this person open this app, and if not, what to change first? And why did it fail before? */

import { findPerson } from '#core/people/people.ts';
import { accountAt } from '#provisioning/provisioning.ts';
import { explainEntry } from '#signon/explain.ts';
import type { Explanation } from '#signon/explain-checks.ts';
import { readRefusal } from '#signon/refusals.ts';
import { type AddCommand, commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, plainLine, shortTime, table } from './table.ts';

export const explainCommand: AddCommand = (program, tools) => {
  program
    .command('explain')
    .description('can a person open an app, and if not, what to change first')
    .argument('[who]', 'user name, confirmed address or id')
    .argument('[app]', 'id of the app')
    .option(
      '--reference <reference>',
      'instead: the whole path of a refused login, by what the person was shown',
    )
    .option('--json', 'print JSON')
    .action((who: string | undefined, app: string | undefined, options: ExplainOptions) =>
      options.reference === undefined
        ? explainOne(tools, who, app, options)
        : explainRefusal(tools, options.reference, options),
    );
};

interface ExplainOptions {
  reference?: string;
  json?: boolean;
}

async function explainOne(
  tools: Toolbox,
  person: string | undefined,
  application: string | undefined,
  options: ExplainOptions,
): Promise<void> {
  if (!person || !application)
    throw new UsageError(
      'Say who and which app (gatehouse explain anna tracker), or --reference and what the person was shown.',
    );
  const found = await tools.withHouse(({ database, secrets }) =>
    database.read(commandContext(), (tx) =>
      explainEntry(tx, { secrets, accountAt }, { person, application }),
    ),
  );
  if (options.json) return tools.print(json(found));
  tools.print(textOf(found));
}

/** That somebody looked is noted, here as in the console. */
async function explainRefusal(tools: Toolbox, reference: string, { json: asJson }: ExplainOptions) {
  const { found, person } = await tools.withHouse(({ database }) =>
    database.transact(commandContext(), async (tx) => {
      const found = await readRefusal(tx, reference);
      return { found, person: found.person ? await findPerson(tx, found.person) : undefined };
    }),
  );
  if (asJson) return tools.print(json(found));
  const { code, application, device, network, at, steps } = found;
  tools.print(
    plainLine(
      `${code}, ${shortTime(at)}: ${person?.username ?? 'nobody known'} at ${application ?? 'no app'}`,
    ),
  );
  tools.print(`${plainLine(`${device}, ${network}`)}\n`);
  const rows = steps.map((one) => [
    one.at.slice(11, 23),
    one.reference === found.reference ? 'here' : one.reference,
    one.step,
    Object.entries(one.facts)
      .filter(([, value]) => !Array.isArray(value) || value.length > 0)
      .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(' ') : value}`)
      .join(', '),
  ]);
  tools.print(table(['AT', 'REQUEST', 'STEP', 'FACTS'], rows, ''));
}

const marks = { yes: 'yes', asks: 'asks', doubt: 'maybe', no: 'NO', note: 'note' } as const;

function textOf({ summary, first, checks }: Explanation): string {
  const rows = checks.map(({ check, answer, evidence }) => [check, marks[answer], evidence]);
  const lines = [plainLine(summary), ...(first?.step ? [`First: ${plainLine(first.step)}`] : []), ''];
  return [...lines, table(['CHECK', '', 'FOUND'], rows, '')].join('\n');
}
