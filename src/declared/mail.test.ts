import assert from 'node:assert/strict';
import { test } from 'node:test';
import { system } from '#kit/db/database.ts';
import { testDatabase } from '../../test/kit.ts';
import { DeclaredError, exportDeclared, parseDeclared, planDeclared, runPlan } from './declared.ts';

const file = (mail: string) => `mail:\n  templates:\n${mail}`;
const letters = file(`    recovery:
      en: { subject: "Back into {community}", text: "Hello {username}.\\n\\nChoose anew." }
      de: { text: "Neu für {username}." }
`);

test('letters in a community’s words are applied once, exported as they are, and refused by name', async () => {
  const { database, close } = await testDatabase();
  const apply = (text: string) =>
    database.transact(system('apply'), async (tx) => {
      const declared = parseDeclared(text);
      const ready = {
        passwords: { hashes: new Map() },
        credentials: { targets: new Map(), upstreams: new Map() },
      };
      const plan = await planDeclared(tx, declared, ready as never);
      await runPlan(tx, declared, plan);
      return plan.changes.map((change) => change.text);
    });
  assert.deepEqual(await apply(letters), [
    'Write the letter recovery (en): subject, text',
    'Write the letter recovery (de): text',
  ]);
  assert.deepEqual(await apply(letters), []);
  const exported = await database.read(system(), (tx) => exportDeclared(tx));
  assert.deepEqual(await apply(exported), []);
  assert.deepEqual(await apply(file('    recovery: { de: { text: "{username}!" } }\n')), [
    'Change the letter recovery (de): text',
  ]);
  const refused = (text: string) => {
    try {
      parseDeclared(text);
      return [];
    } catch (error) {
      assert.ok(error instanceof DeclaredError);
      return error.findings.map((one) => `${one.line} ${one.path}: ${one.text}`);
    }
  };
  assert.match(
    refused(file('    recovery:\n      en: { text: "{link}" }\n'))[0] ?? '',
    /^4 mail\.templates\.recovery\.en\.text: asks for \{link\}, which every letter/,
  );
  assert.match(refused(file('    recovry: { en: { text: x } }\n'))[0] ?? '', /recovry/);
  assert.match(refused(file('    recovery: { en: { body: x } }\n'))[0] ?? '', /body/);
  await close();
});
