import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Desired, RemoteAccount } from '#provisioning/connector.ts';
import { type Domain, domainOf, type JudgeInput, judgeAccount, lostAccount } from './domains.ts';
import { atlassianProfile } from './profile.ts';

const facts = Object.fromEntries(
  Object.entries(atlassianProfile.facts).map(([name, { value }]) => [name, value]),
);
const domains: Domain[] = [
  { name: 'id.example', state: 'verified' },
  { name: 'new.example', state: 'unclaimed' },
  { name: 'lost.example', state: 'unverified' },
];
const frozen = ['email', 'displayName'];

const wanting = (email: string | null, more: Partial<Desired> = {}): Desired => ({
  externalId: 's-1',
  active: true,
  attributes: { userName: 'ada', displayName: 'Ada', email },
  ...more,
});
const standing = (email: string, accountId: string | undefined = '712020:a'): RemoteAccount => ({
  id: 'r-1',
  active: true,
  attributes: { userName: 'ada', email },
  ...(accountId ? { accountId } : {}),
});
const judge = (desired: Desired, remote?: RemoteAccount, more: Partial<JudgeInput> = {}) =>
  judgeAccount({
    desired,
    remote,
    facts,
    domains,
    outsiders: 'alias',
    users: 5,
    managedOnly: frozen,
    ...more,
  });

test('an address on a domain the organisation holds makes a managed account, in any case of letters', () => {
  assert.deepEqual(judge(wanting('Ada@ID.example')), { standing: 'managed', frozen: [], why: '' });
  assert.equal(
    judge(wanting('ada@sub.id.example')).standing,
    'needs-alias',
    'a sub-domain is another domain',
  );
  assert.equal(judge(wanting('ada@evil-id.example')).standing, 'needs-alias');
});

test('someone outside needs an alias, stays external, or is invited, as the community decides', () => {
  assert.equal(judge(wanting('ada@mail.example')).standing, 'needs-alias');
  const external = judge(wanting('ada@mail.example'), undefined, { outsiders: 'external' });
  assert.deepEqual([external.standing, external.frozen], ['external', frozen]);
  assert.equal(judge(wanting('ada@mail.example'), undefined, { outsiders: 'invite' }).standing, 'invite');
  assert.equal(
    judge(wanting('ada@mail.example', { own: true })).standing,
    'external',
    'who keeps an own account has no lack',
  );
  const refused = { facts: { ...facts, foreignDomains: 'refused' } };
  assert.equal(judge(wanting('ada@mail.example', { own: true }), undefined, refused).standing, 'needs-alias');
  assert.equal(
    judge(wanting('ada@mail.example'), undefined, { ...refused, outsiders: 'invite' }).standing,
    'invite',
  );
});

test('ACCESS-2172 a domain that is verified and not claimed counts as external, unless the profile says otherwise', () => {
  const now = judge(wanting('ada@new.example'));
  assert.equal(now.standing, 'external');
  assert.match(now.why, /Claim one account there/);
  const other = { facts: { ...facts, unclaimedDomains: 'managed' } };
  assert.equal(judge(wanting('ada@new.example'), undefined, other).standing, 'managed');
});

test('ACCESS-1396 a new address on the record of an external account is not sent', () => {
  const moving = judge(wanting('ada@id.example'), standing('ada@mail.example'));
  assert.equal(moving.standing, 'external');
  assert.ok(moving.frozen.includes('email'));
  assert.match(moving.why, /cut the link/);
  const follows = { facts: { ...facts, externalEmailChange: 'follows' } };
  assert.equal(judge(wanting('ada@id.example'), standing('ada@mail.example'), follows).standing, 'managed');
});

test('a managed account follows to another domain of ours and is held back from leaving', () => {
  const both: Domain[] = [...domains, { name: 'two.example', state: 'verified' }];
  assert.deepEqual(
    judge(wanting('ada@two.example'), standing('ada@id.example'), { domains: both }).frozen,
    [],
  );
  const leaving = judge(wanting('ada@mail.example'), standing('ada@id.example'));
  assert.deepEqual([leaving.standing, leaving.frozen], ['managed', ['email']]);
  assert.match(leaving.why, /let go of the account/);
  const refused = judge(wanting('ada@two.example'), standing('ada@id.example'), {
    domains: both,
    facts: { ...facts, managedEmailChange: 'refused' },
  });
  assert.deepEqual(refused.frozen, ['email']);
});

test('a record without an account behind it says so, and a lost one is noticed', () => {
  assert.match(judge(wanting('ada@id.example'), standing('ada@id.example', '')).why, /No Atlassian account/);
  assert.equal(lostAccount('712020:a', standing('ada@id.example')), undefined);
  assert.equal(lostAccount(undefined, standing('ada@id.example', '')), undefined);
  assert.match(lostAccount('712020:a', standing('ada@id.example', ''))!, /lost its link/);
  assert.match(lostAccount('712020:b', standing('ada@id.example'))!, /Another Atlassian account/);
});

test('without an address an alias is needed', () => {
  for (const email of [null, 'no-at-sign']) assert.equal(judge(wanting(email)).standing, 'needs-alias');
});

test('what cannot be is said in one sentence: no name, domains unknown, a full directory', () => {
  for (const judgement of [
    judge(wanting('ada@id.example'), undefined, { domains: undefined }),
    judge(wanting('ada@id.example'), undefined, { users: 70_000 }),
    judge({
      ...wanting('ada@id.example'),
      attributes: { email: 'ada@id.example', userName: 'ada', displayName: null },
    }),
  ]) {
    assert.equal(judgement.standing, 'impossible');
    assert.match(judgement.why, /^[A-Z].*\.$/);
  }
  assert.equal(
    judge(wanting('ada@id.example'), standing('ada@id.example'), { users: 70_000 }).standing,
    'managed',
  );
});

test('the domain of an address is what stands after the last @', () => {
  assert.equal(domainOf('"a@b"@Id.Example'), 'id.example');
  for (const wrong of ['@id.example', 'ada@', 'ada', 5, null]) assert.equal(domainOf(wrong), undefined);
});
