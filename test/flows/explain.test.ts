/** "Can X open Y?" is answered as the doors answer: each situation is explained, and then walked by a browser. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import type { LeaveState } from '#core/lifecycle/lifecycle.ts';
import { appoint } from '#core/operators/operators.ts';
import { problems } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { accountAt } from '#provisioning/provisioning.ts';
import { type AccountAt, explainEntry } from '#signon/explain.ts';
import type { Explanation } from '#signon/explain-checks.ts';
import { eventually } from '#test/eventually.ts';
import { idOf, withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Seen } from '../visitor.ts';
import { Party, secret } from './oidc-party.ts';

const password = 'river-stone-lamp';
let platform: Platform;
const codes = new Map<string, () => string>();

const everyone = [
  'active',
  'member',
  'locked',
  'suspended',
  'spam',
  'left',
  'erased',
  'guesser',
  'twice',
  'helper',
  'both',
];
const oidc = 'oidc: { redirectUris: [http://127.0.0.1:9/callback] }';
const app = (id: string, more: string) =>
  `  - { id: ${id}, title: App ${id}, secret: ${secret}, ${more}, ${oidc} }\n`;
const saml = (id: string, more: string) =>
  `  - { id: ${id}, title: App ${id}, consent: trusted, ${more}, saml: { entityId: https://${id}.example.org, acsUrls: [https://${id}.example.org/acs], idpInitiated: { allowed: true }, nameId: { format: emailAddress } } }\n`;
const community = `
community: { name: Harbour, factors: { operators: required } }
groups: [{ name: staff }]
people:
${everyone.map((name) => `  - { username: ${name}, password: ${password}, addresses: [${name}@example.org]${name === 'member' ? ', groups: [staff]' : ''} }\n`).join('')}
  - { username: bare, addresses: [bare@example.org] }
  - { username: loose, password: ${password}, addresses: [{ address: loose@example.org, verified: false }] }
upstreams:
  - { id: corp, title: Corp, oidc: { issuer: "https://127.0.0.1:9", clientId: gatehouse }, credentials: { clientSecret: x } }
  - { id: shut, title: Shut, enabled: false, oidc: { issuer: "https://127.0.0.1:9", clientId: gatehouse }, credentials: { clientSecret: x } }
applications:
${app('open', 'consent: trusted')}
${app('asking', 'consent: ask')}
${app('staff', 'consent: trusted, access: { groups: [staff] }')}
${app('nobody', 'consent: trusted, access: { groups: [] }')}
${app('off', 'consent: trusted, enabled: false')}
${app('off-staff', 'consent: trusted, enabled: false, access: { groups: [staff] }')}
${app('sure', 'consent: trusted, assurance: { secondFactor: required }')}
${app('corporate', 'consent: trusted, upstream: corp')}
${app('closed-corp', 'consent: trusted, upstream: shut')}
${saml('by-address', 'release: { claims: [email] }')}
  - { id: native, title: Native, consent: trusted, oidc: { redirectUris: [http://127.0.0.1/callback], clientAuth: none } }
`;

const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);

before(async () => {
  platform = await startPlatform();
  await platform.apply(community);
  for (const state of ['locked', 'suspended', 'spam', 'left', 'erased'] as LeaveState[])
    await during(async (tx) => leave(tx, await idOf(platform, state), state, 'a test'));
  const guesser = platform.visitor();
  for (let guess = 0; guess < 11; guess += 1) {
    const typed = guess % 2 === 0 ? 'guesser' : 'guesser@example.org';
    await guesser.signIn(typed, 'wrong');
  }
  for (const name of ['twice', 'both']) codes.set(name, (await withApp(platform, name)).code);
  await during(async (tx) => appoint(tx, { person: await idOf(platform, 'helper'), role: 'help-desk' }));
});

async function explained(person: string, application: string): Promise<Explanation> {
  return platform.database.read(system(), (tx) =>
    explainEntry(tx, { secrets: platform.secrets, accountAt }, { person, application }),
  );
}

/** What the explanation says a browser meets: what is asked, then `in` or the code of a refusal. */
function foretold({ opens, first, checks }: Explanation): string[] {
  if (opens === 'no') return [String(first?.code)];
  const asks = ['upstream', 'factor', 'consent'].flatMap((name) => {
    const found = checks.find(({ check, answer }) => check === name && answer === 'asks');
    return found?.code ? [found.code] : [];
  });
  return [...asks, 'in'];
}

/** What a new browser really meets. */
async function walked(person: string, application: string): Promise<string[]> {
  const visitor = platform.visitor();
  const native = application === 'native';
  const party = new Party(platform, {
    id: application,
    secret: native ? undefined : secret,
    redirectUri: native ? 'http://127.0.0.1:51234/callback' : undefined,
  });
  const start = application === 'by-address' ? '/saml/launch/by-address' : party.authorizationUrl();
  let seen = await visitor.open(start);
  const asked: string[] = [];
  if (/\/upstream\//.test(seen.url)) {
    asked.push('upstream');
    const request = new URL(seen.url).searchParams.get('request');
    seen = await visitor.open(`/sign-in?ways=all&request=${request}`);
  }
  if (/\/sign-in\?/.test(seen.url) && seen.status === 200)
    seen = await visitor.submit({ username: person, password }, '/sign-in');
  if (/\/sign-in\/enrol/.test(seen.url)) return [...asked, 'enrol', 'in'];
  if (/\/sign-in\/second/.test(seen.url)) {
    asked.push('second-factor');
    seen = await visitor.submit({ code: codes.get(person)!() }, '/sign-in/second');
    platform.clock.advance(60_000);
  }
  if (/\/verify\/code/.test(seen.url)) return ['account-unverified'];
  if (/id="allow"/.test(seen.text)) {
    asked.push('consent');
    const form = /action="([^"]*\/allow)"/.exec(seen.text)![1]!;
    seen = await visitor.submit({}, form);
  }
  const isIn = /[?&]code=/.test(seen.headers.get('location') ?? '') || /name="SAMLResponse"/.test(seen.text);
  return isIn ? [...asked, 'in'] : [refusalOn(seen)];
}

function refusalOn(seen: Seen): string {
  const text = seen.text.replaceAll('&#39;', "'").replaceAll('&#x27;', "'");
  if (/The app that sent you here is not known/.test(text)) return 'application-unknown';
  const found = Object.entries(problems).find(([, words]) => text.includes(words));
  if (!found) throw new Error(`neither in nor refused: ${seen.status} ${seen.url}\n${seen.text}`);
  return found[0];
}

const table: [person: string, application: string, expected: string[]][] = [
  ['active', 'open', ['in']],
  ['active@example.org', 'open', ['in']],
  ['active', 'asking', ['consent', 'in']],
  ['active', 'asking', ['in']],
  ['active', 'native', ['consent', 'in']],
  ['active', 'native', ['consent', 'in']],
  ['active', 'staff', ['application-forbidden']],
  ['member', 'staff', ['in']],
  ['member', 'nobody', ['application-forbidden']],
  ['active', 'off', ['application-disabled']],
  ['active', 'off-staff', ['application-disabled']],
  ['active', 'gone', ['application-unknown']],
  ['locked', 'open', ['account-locked']],
  ['suspended', 'staff', ['account-suspended']],
  ['spam', 'open', ['account-suspended']],
  ['left', 'open', ['account-closed']],
  ['erased', 'open', ['sign-in-failed']],
  ['stranger', 'open', ['sign-in-failed']],
  ['bare', 'open', ['sign-in-failed']],
  ['guesser', 'open', ['sign-in-failed']],
  ['twice', 'open', ['second-factor', 'in']],
  ['twice', 'asking', ['second-factor', 'consent', 'in']],
  ['both', 'staff', ['application-forbidden']],
  ['active', 'sure', ['enrol', 'in']],
  ['twice', 'sure', ['second-factor', 'in']],
  ['helper', 'open', ['enrol', 'in']],
  ['active', 'corporate', ['upstream', 'in']],
  ['active', 'closed-corp', ['in']],
  ['active', 'by-address', ['in']],
  ['loose', 'by-address', ['address-unverified']],
];

test('what is explained is what the doors do, situation by situation', async (t) => {
  for (const [person, application, expected] of table)
    await t.test(`${person} at ${application}: ${expected.join(', ')}`, async () => {
      const told = foretold(await explained(person, application));
      assert.deepEqual(told, expected);
      assert.deepEqual(await walked(person, application), expected);
    });
});

test('the first thing to change, once it is changed, is what kept them out', async () => {
  const before = await explained('suspended', 'staff');
  assert.equal(before.first?.check, 'standing');
  const person = await idOf(platform, 'suspended');
  await during((tx) => activate(tx, person, 'settled'));
  const after = await explained('suspended', 'staff');
  assert.deepEqual([after.first?.check, after.first?.code], ['groups', 'application-forbidden']);
  assert.match(after.first?.step ?? '', /Add them to staff/);
  assert.equal(after.summary, 'suspended cannot open App staff.');
});

test('what the app itself may trip over is a doubt, and what was refused lately is told with its reference', async () => {
  const at = (account: AccountAt | undefined) =>
    platform.database.read(system(), (tx) =>
      explainEntry(
        tx,
        { secrets: platform.secrets, accountAt: async () => account },
        { person: 'active', application: 'open' },
      ),
    );
  const linked = { mode: 'on', link: 'linked', active: true };
  assert.equal((await at(linked)).opens, 'yes');
  for (const account of [
    { mode: 'on' },
    { ...linked, active: false },
    { ...linked, link: 'disputed' },
    { ...linked, link: 'deleted' },
    { ...linked, problem: 'the address is taken there' },
  ]) {
    const { opens, first } = await at(account);
    assert.deepEqual([opens, first?.check], ['doubt', 'account'], JSON.stringify(account));
    assert.ok(first?.step);
  }
  const visitor = platform.visitor();
  await visitor.open(new Party(platform, { id: 'staff' }).authorizationUrl());
  const refused = await visitor.submit({ username: 'active', password }, '/sign-in');
  const reference = /id="reference">[^<]*: ([\w-]+)</.exec(refused.text)![1]!;
  const told = await eventually(async () => {
    const found = (await explained('active', 'staff')).checks.find(({ check }) => check === 'refusals');
    return found?.evidence.includes(reference) && found;
  });
  assert.equal(told.answer, 'note');
  assert.match(told.evidence, /application-forbidden/);
});
