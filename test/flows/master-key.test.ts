/** KE-05: a wrong or missing master key changes nothing; a new one takes over while everything keeps working. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '#config/config.ts';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { system } from '#kit/db/database.ts';
import { createLog } from '#kit/log/log.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { serve } from '#main.ts';
import { holdsCredentials, saveTarget } from '#provisioning/targets.ts';
import { freePort, testDatabase } from '#test/kit.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-keys-'));
after(() => rm(folder, { recursive: true, force: true }));
const log = createLog({ level: 'silent' });

async function open(connection: Parameters<typeof serve>[1], env: Record<string, string>) {
  const port = await freePort();
  const config = loadConfig({ env: { GATEHOUSE_DATA: folder, GATEHOUSE_PORT: String(port), ...env } });
  const mailer = createMailer({ urls: ['memory:'], from: 'a@harbour.test', log });
  return serve(config, { ...connection, log, mailer });
}

/** The certificates in our SAML metadata, which is signed when it is read. */
async function certificatesAt(url: URL): Promise<string[]> {
  const text = await (await fetch(new URL('/saml/metadata', url))).text();
  assert.match(text, /SignatureValue/);
  return [...text.matchAll(/<ds:X509Certificate>([^<]+)/g)].map(([, one]) => one!);
}

test('KE-05 a wrong or missing master key stops the start and changes nothing; a new one re-wraps', async () => {
  const { connection, database } = await testDatabase();
  const first = path.join(folder, 'first.key');
  const second = path.join(folder, 'second.key');
  const house = await open({ connection }, { GATEHOUSE_MASTER_KEY_FILE: first });
  const before = await (await fetch(new URL('/oidc/jwks', house.url))).text();
  const certificates = await certificatesAt(house.url);
  const credentials = { token: 'for the wiki' };
  await house.database.transact(system(), async (tx) => {
    await saveApplication(tx, 'wiki', applicationSettings.parse({ title: 'Wiki' }));
    const settings = { connector: 'scim', mode: 'off', options: { baseUrl: 'https://scim.example.org' } };
    await saveTarget(tx, house.secrets, house.connectors, 'wiki', settings, credentials);
  });
  await house.stop();
  const sealed = async () =>
    JSON.stringify([
      await database.query('select kid, sealed, state from oidc_keys order by kid'),
      await database.query('select kid, sealed, state from saml_keys order by kid'),
    ]);
  const untouched = await sealed();

  await writeFile(second, randomBytes(32).toString('base64'));
  await assert.rejects(open({ connection }, { GATEHOUSE_MASTER_KEY_FILE: second }), {
    name: 'WrongMasterKey',
  });
  const missing = path.join(folder, 'missing.key');
  await assert.rejects(open({ connection }, { GATEHOUSE_MASTER_KEY_FILE: missing }), {
    name: 'WrongMasterKey',
  });
  await assert.rejects(readFile(missing), 'a missing key is not made anew over sealed data');
  assert.equal(await sealed(), untouched);

  const moving = await open(
    { connection },
    { GATEHOUSE_MASTER_KEY_FILE: second, GATEHOUSE_PREVIOUS_MASTER_KEY_FILES: first },
  );
  assert.equal(
    await (await fetch(new URL('/oidc/jwks', moving.url))).text(),
    before,
    'the same signing keys throughout',
  );
  await moving.settle();
  await moving.stop();
  const [oidcNow, samlNow] = JSON.parse(await sealed()) as unknown[];
  const [oidcThen, samlThen] = JSON.parse(untouched) as unknown[];
  assert.notDeepEqual(oidcNow, oidcThen);
  assert.notDeepEqual(samlNow, samlThen);

  const moved = await open({ connection }, { GATEHOUSE_MASTER_KEY_FILE: second });
  assert.equal(await (await fetch(new URL('/oidc/jwks', moved.url))).text(), before);
  assert.deepEqual(await certificatesAt(moved.url), certificates, 'and the key behind them opens and signs');
  assert.ok(
    await moved.database.read(system(), (tx) => holdsCredentials(tx, moved.secrets, 'wiki', credentials)),
    'credentials of targets are sealed under the new key',
  );
  await moved.stop();
  await assert.rejects(open({ connection }, { GATEHOUSE_MASTER_KEY_FILE: first }), {
    name: 'WrongMasterKey',
  });
});
