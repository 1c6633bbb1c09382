import assert from 'node:assert/strict';
import { before as first, test } from 'node:test';
import { Command } from 'commander';
import { findByUsername } from '#core/people/people.ts';
import { askForSender, findRequest } from '#fronts/relay/choices.ts';
import { allowLists } from '#fronts/relay/lists.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { CommandRefused, type Toolbox, UsageError } from './cli.ts';
import { relayCommand } from './relay.ts';

let platform: Platform;
first(async () => {
  platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  await platform.apply(`
applications: [{ id: jira, title: Jira }]
people:
  - { username: ada, names: { displayName: Ada }, addresses: [ada@example.org] }
relay:
  senders:
    jira: { networks: ["list:ours"], domains: [jira.test] }
  allowlists:
    ours: { networks: [10.0.0.0/8, 192.0.2.0/24] }
    old: { networks: [198.51.100.0/24] }
`);
});

const said = { out: '', err: '' };

async function run(...args: string[]) {
  Object.assign(said, { out: '', err: '' });
  const tools = {
    withHouse: (work: (given: unknown, settings: unknown) => Promise<unknown>) =>
      work(platform, platform.config),
    print(text: string) {
      said.out += `${text}\n`;
    },
    note(text: string) {
      said.err += `${text}\n`;
    },
    clock: platform.clock,
  } as unknown as Toolbox;
  const program = new Command().exitOverride();
  relayCommand(program, tools);
  await program.parseAsync(['relay', ...args], { from: 'user' });
  return { ...said };
}

const ask = (sender: string, application?: string, note?: string) =>
  platform.database.transact(system(), async (tx) => {
    const ada = await findByUsername(tx, 'ada');
    return (await askForSender(tx, { person: ada!.id, sender, application, note })).id;
  });
const stateOf = (id: string) => platform.database.read(system(), (tx) => findRequest(tx, id));
const domainsOf = async (app: string) =>
  (await platform.database.read(system(), relayApps)).find(({ id }) => id === app)?.settings.domains;

test('gatehouse relay requests: listed, allowed as the app it names, refused with an answer', async () => {
  assert.match((await run('requests')).out, /Nobody asks for a sender/);
  const [wanted, other] = [await ask('builds.test', 'jira', 'My builds'), await ask('spam.test')];
  const { out } = await run('requests');
  assert.match(
    out,
    new RegExp(`${other} .* ada +spam\\.test +open\n${wanted} .* ada +builds\\.test +jira +open +My builds`),
  );
  const listed = JSON.parse((await run('requests', '--json', '--limit', '1')).out);
  assert.deepEqual(
    [listed.length, listed[0].id, listed[0].person, listed[0].state],
    [1, other, 'ada', 'open'],
  );

  assert.match(
    (await run('requests', 'allow', wanted, '--answer', 'Done.')).err,
    /builds\.test may write as jira/,
  );
  assert.deepEqual(await domainsOf('jira'), ['jira.test', 'builds.test']);
  const allowed = await stateOf(wanted);
  assert.deepEqual([allowed?.state, allowed?.answer], ['allowed', 'Done.']);
  assert.match(
    (await run('requests', 'refuse', other, '--answer', 'Ask them to stop.')).err,
    /The answer is no/,
  );
  assert.deepEqual(
    [(await stateOf(other))?.state, (await stateOf(other))?.answer],
    ['refused', 'Ask them to stop.'],
  );
  assert.match((await run('requests')).out, /Nobody asks/);
  assert.equal(JSON.parse((await run('requests', '--state', 'all', '--json')).out).length, 2);
  assert.match((await run('requests', '--state', 'refused')).out, /spam\.test +refused/);
  for (const word of ['allow', 'refuse'])
    await assert.rejects(run('requests', word, other), { code: 'relay-request-unknown' }, word);
});

test('gatehouse relay requests: what would let in nothing, or names no app, stays open', async () => {
  const id = await ask('jira.test');
  const before = await domainsOf('jira');
  await assert.rejects(run('requests', 'allow', id), UsageError);
  await assert.rejects(run('requests', 'allow', id, '--app', 'nowhere'), { code: 'application-unknown' });
  await assert.rejects(
    run('requests', 'allow', id, '--app', 'jira'),
    /may write with this domain already.*The request stays open/,
  );
  assert.equal((await stateOf(id))?.state, 'open');
  assert.deepEqual(await domainsOf('jira'), before);
  for (const word of ['allow', 'refuse'])
    await assert.rejects(run('requests', word, 'not-an-id'), { code: 'relay-request-unknown' }, word);
  await assert.rejects(run('requests', '--state', 'lost'), UsageError);
  await assert.rejects(run('requests', '--limit', '0'), UsageError);
});

test('gatehouse relay lists remove: with a yes, and never one that an app is let in by', async () => {
  const names = async () => (await platform.database.read(system(), allowLists)).map(({ name }) => name);
  await assert.rejects(run('lists', 'remove', 'ours', '--yes'), (error: Error) => {
    assert.ok(error instanceof CommandRefused);
    assert.match(error.message, /Mail of jira is let in by it\. Take list:ours out of its senders first/);
    return true;
  });
  await assert.rejects(run('lists', 'remove', 'old'), /names 1 networks.*--yes/);
  await assert.rejects(run('lists', 'remove', 'nowhere', '--yes'), { code: 'relay-list-unknown' });
  assert.deepEqual(await names(), ['old', 'ours']);
  assert.match((await run('lists', 'remove', 'old', '--yes')).err, /old is forgotten/);
  assert.deepEqual(await names(), ['ours']);
});
