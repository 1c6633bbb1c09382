import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import type { Profile } from '#core/profile/profile.ts';
import { SealBroken } from '#kit/crypto/secrets.ts';
import { modelTarget } from '#test/model-target.ts';
import { provisioningStage } from '#test/provisioning.ts';
import { compileMapping, desiredFor, MappingRefused } from './mapping.ts';
import { checkSettings } from './settings.ts';
import { standingOf } from './situation.ts';
import { openTarget, saveTarget } from './targets.ts';

const { connector } = modelTarget();
const connectors = new Map([['model', connector]]);
const findings = (given: Record<string, unknown>) =>
  checkSettings(connectors, { connector: 'model', ...given }).findings.map(({ path }) => path);

const profile: Profile = {
  person: 'p',
  state: 'active',
  active: true,
  mayEnter: true,
  subject: 'subject-1',
  subjectFixed: false,
  username: 'ada',
  mailbox: 'ada@people.example.org',
  accountChoice: 'mailbox',
  accountAddress: 'ada@people.example.org',
  released: {
    name: 'Ada Byron',
    email: 'ada@example.org',
    emailVerified: true,
    groups: ['crew'],
    attributes: { team: 'blue' },
  },
};

test('settings: a new target plans; what does not fit is named by its field', () => {
  const made = checkSettings(connectors, { connector: 'model' });
  assert.deepEqual(
    [made.settings?.mode, made.settings?.leaver.rule, made.settings?.brake.count],
    ['plan', 'deactivate', 50],
  );
  assert.deepEqual(findings({}), []);
  assert.deepEqual(findings({ mode: 'sometimes' }), ['mode']);
  assert.deepEqual(findings({ unknown: 1 }), ['']);
  assert.deepEqual(findings({ scope: { inactiveStates: ['spam'] } }), ['scope.inactiveStates.0']);
  assert.deepEqual(findings({ scope: { inactiveStates: ['unverified'] } }), ['scope.inactiveStates.0']);
  assert.deepEqual(findings({ mapping: { userName: 'username +' } }), ['mapping.userName']);
  assert.deepEqual(findings({ mapping: { shoe: 'username' } }), ['mapping.shoe']);
  assert.deepEqual(
    findings({ mapping: { userName: '' } }),
    ['mapping.userName'],
    'what is needed cannot be left out',
  );
  assert.deepEqual(findings({ facts: { color: 'blue' } }), []);
  assert.deepEqual(findings({ facts: { color: 'green' } }), ['facts.color']);
  assert.deepEqual(findings({ facts: { __proto__x: 1 } }), ['facts.__proto__x']);
  assert.deepEqual(findings({ options: { extra: 1 } }), ['options.']);
  assert.deepEqual(checkSettings(connectors, { connector: 'none' }).findings.length, 1);
  const plain = new Map([
    ['model', modelTarget({ capabilities: { groups: false, delete: false } }).connector],
  ]);
  const cannot = checkSettings(plain, { connector: 'model', groups: 'all', leaver: { rule: 'delete' } });
  assert.deepEqual(
    cannot.findings.map(({ path }) => path),
    ['groups', 'leaver.rule'],
  );
});

test('a mapping: the connector own words, any field, the alias mailbox; nothing that was not released', () => {
  const settings = (mapping: Record<string, string>) => ({ connector: 'model', settings: { mapping } });
  assert.deepEqual(desiredFor(settings({}), connector, profile), {
    externalId: 'subject-1',
    active: true,
    attributes: { userName: 'ada', email: 'ada@people.example.org', displayName: 'Ada Byron' },
  });
  const own = desiredFor(settings({ email: 'email', title: 'attributes.team' }), connector, profile);
  assert.ok(
    'attributes' in own && own.attributes.email === 'ada@example.org' && own.attributes.title === 'blue',
  );
  const bare = { ...profile, accountAddress: undefined, released: { attributes: {} } };
  const nothing = desiredFor(settings({ userName: 'email' }), connector, bare);
  assert.ok('problem' in nothing && nothing.attribute === 'userName');
  const unproved = { ...profile, released: { ...profile.released, emailVerified: false } };
  const hidden = desiredFor(settings({ email: 'email' }), connector, unproved);
  assert.ok('attributes' in hidden && hidden.attributes.email === null, 'an unproved address is none');
  assert.throws(() => compileMapping({ email: 'password' }, connector), MappingRefused);
});

test('standing: spam and the unverified never, the locked keep a switched off account, groups decide', () => {
  const of = (state: Profile['state'], scope: object = {}, groups: string[] = [], mayEnter = true) => {
    const { settings } = checkSettings(connectors, { connector: 'model', scope });
    return standingOf({ settings: settings! }, { ...profile, state, mayEnter }, groups).standing;
  };
  assert.equal(of('active'), 'active');
  assert.equal(of('active', {}, [], false), 'out', 'who may not enter has no account');
  assert.deepEqual(
    ['locked', 'suspended'].map((state) => of(state as 'locked')),
    ['inactive', 'inactive'],
  );
  assert.equal(of('locked', { inactiveStates: [] }), 'out');
  for (const state of ['spam', 'unverified', 'left', 'erased', 'merged'] as const)
    assert.equal(of(state), 'out', state);
  assert.equal(of('active', { groups: ['Crew'] }, ['ＣＲＥＷ']), 'active', 'whatever case and width');
  assert.equal(of('active', { groups: ['Crew'] }, ['other']), 'out');
  assert.equal(of('active', { groups: [] }, ['other']), 'out');
});

test('credentials are sealed for their place, kept when not given, and known by name alone', async (t) => {
  const s = await provisioningStage();
  t.after(() => s.close());
  const opened: Record<string, string>[] = [];
  const spy = {
    ...s.model.connector,
    open: (opening: { credentials: Readonly<Record<string, string>> }) => {
      opened.push({ ...opening.credentials });
      return s.model.connector.open(opening as never);
    },
  };
  const needs = { ...s.needs, connectors: new Map([['model', spy as typeof s.model.connector]]) };
  await s.save({}, { token: 'one' });
  await s.save({ sweepHours: 12 });
  await openTarget(needs, await s.target(), { subject: 'target' });
  await s.save({}, { token: '' });
  await openTarget(needs, await s.target(), { subject: 'target' });
  assert.deepEqual(opened, [{ token: 'one' }, {}]);
  await assert.rejects(
    s.save({}, { password: 'x' }),
    (error: { code?: string }) => error.code === 'input-malformed',
  );
  await s.save({}, { token: 'one' });
  await s.during(async (tx) => {
    await saveApplication(tx, 'other', applicationSettings.parse({ title: 'Other' }));
    await saveTarget(
      tx,
      s.needs.secrets,
      s.needs.connectors,
      'other',
      { connector: 'model' },
      { token: 'two' },
    );
  });
  await s.database.query(
    `update targets set credentials = (select credentials from targets where application = 'other')`,
  );
  await assert.rejects(
    s.target().then((target) => openTarget(needs, target, { subject: 'target' })),
    SealBroken,
  );
});
