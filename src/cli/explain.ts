/** `gatehouse explain`: can this person open this app, and if not, what to change first? */
import { accountAt } from '#provisioning/provisioning.ts';
import { explainEntry } from '#signon/explain.ts';
import type { Explanation } from '#signon/explain-checks.ts';
import { type AddCommand, commandContext, type Toolbox, UsageError } from './cli.ts';
import { json, plainLine, table } from './table.ts';

export const explainCommand: AddCommand = (program, tools) => {
  program
    .command('explain')
    .description('can a person open an app, and if not, what to change first')
    .argument('[who]', 'user name, confirmed address or id')
    .argument('[app]', 'id of the app')
    .option('--json', 'print JSON')
    .action((who: string | undefined, app: string | undefined, options: { json?: boolean }) =>
      explainOne(tools, who, app, options),
    );
};

async function explainOne(
  tools: Toolbox,
  person: string | undefined,
  application: string | undefined,
  options: { json?: boolean },
): Promise<void> {
  if (!person || !application) throw new UsageError('Say who and which app: gatehouse explain anna tracker.');
  const found = await tools.withHouse(({ database, secrets }) =>
    database.read(commandContext(), (tx) =>
      explainEntry(tx, { secrets, accountAt }, { person, application }),
    ),
  );
  if (options.json) return tools.print(json(found));
  tools.print(textOf(found));
}

const marks = { yes: 'yes', asks: 'asks', doubt: 'maybe', no: 'NO', note: 'note' } as const;

function textOf({ summary, first, checks }: Explanation): string {
  const rows = checks.map(({ check, answer, evidence }) => [check, marks[answer], evidence]);
  const lines = [plainLine(summary), ...(first?.step ? [`First: ${plainLine(first.step)}`] : []), ''];
  return [...lines, table(['CHECK', '', 'FOUND'], rows, '')].join('\n');
}
