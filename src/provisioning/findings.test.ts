import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { addGroup, changeGroup, removeGroup } from '#core/groups/groups.ts';
import { mentions } from '#kit/expressions/mentions.ts';
import { stageFor } from '#test/provisioning.ts';
import { findingsAt } from './findings.ts';
import { mappingVariables } from './mapping.ts';

const named = (source: string) => mentions(source, mappingVariables, 'groups');

test('which texts of an expression are compared with groups', () => {
  assert.deepEqual(named(`'staff' in groups ? 'Staff member' : 'Guest'`), ['staff']);
  assert.deepEqual(named(`groups.exists(g, g == 'a' || 'b' == g)`), ['a', 'b']);
  assert.deepEqual(named(`groups.filter(g, g in ['a', 'b']).exists(x, x != 'c')`), ['a', 'b', 'c']);
  assert.deepEqual(named(`groups[0] == 'first' ? displayName : 'x'`), ['first']);
  assert.deepEqual(named(`'a' in roles || displayName == 'a' ? 'a' : 'b'`), []);
  assert.deepEqual(named(`roles.exists(g, g == 'a') && groups.exists(r, r == 'b') ? 'x' : 'y'`), ['b']);
  assert.deepEqual(named('groups.map(g, g + "x").join(",")'), []);
  assert.deepEqual(named('nonsense ('), []);
});

test('a mapping that names a group that was renamed, or is none, is told at the target', async (t) => {
  const mapping = { title: `'Staff' in groups ? 'Staff' : 'Guest'` };
  const s = await stageFor(t, { mapping });
  const found = async () => {
    const target = await s.target();
    return s.during((tx) => findingsAt(tx, target));
  };
  const says = (what: string) => [`The mapping of title names the group "Staff", which ${what}.`];
  assert.deepEqual(await found(), says('does not exist'));
  const { id } = await s.during((tx) => addGroup(tx, { name: 'Staff', origin: 'test' }));
  assert.deepEqual(await found(), []);
  await s.during((tx) => changeGroup(tx, id, { name: 'Team' }));
  assert.deepEqual(await found(), says('is called "Team" now'));
  await s.during((tx) => changeGroup(tx, id, { name: 'Crew' }));
  assert.deepEqual(await found(), says('is called "Crew" now'));
  await s.during((tx) => changeGroup(tx, id, { name: 'STAFF' }));
  assert.deepEqual(await found(), says('is called "STAFF" at this app'), 'letter by letter');
  await s.during((tx) =>
    saveApplication(tx, s.app, applicationSettings.parse({ title: 'Wiki', groupNames: { staff: 'Staff' } })),
  );
  assert.deepEqual(await found(), [], 'the name the app knows');
  await s.during((tx) => changeGroup(tx, id, { name: 'Crew' }));
  assert.deepEqual(await found(), says('is called "Crew" now'));
  await s.during((tx) => removeGroup(tx, id));
  assert.deepEqual(await found(), says('does not exist'));
  await s.save({ mapping: {} });
  assert.deepEqual(await found(), []);
});
