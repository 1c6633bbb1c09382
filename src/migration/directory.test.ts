import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { createNet } from '#kit/net/net.ts';
import { passwordSignIn } from '#signon/gate.ts';
import { knownAccounts, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { ldapSource } from '#sources/ldap/ldap.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import { testDatabase } from '../../test/kit.ts';
import { slapdMissing, startSlapd } from '../../test/peers/slapd.ts';
import { runImport } from './import.ts';

const missing = slapdMissing();

test('AC-11 2,000 people of a live directory; its own export under the same name changes nothing; old passwords work', {
  skip: missing ?? false,
}, async () => {
  const baseDn = 'dc=example,dc=org';
  const home = await testDatabase();
  const { ldif } = makeLegacyLdif({ people: 2_000, seed: 9, baseDn, namingViolations: false });
  const slapd = await startSlapd({ ldif, baseDn });
  try {
    const source = ldapSource({
      url: slapd.url,
      bindDn: slapd.rootDn,
      password: slapd.rootPassword,
      baseDn,
    });
    const live = await runImport(home, source, { name: 'directory' });
    const { in: read, imported, conflict, rejected, unreadable } = live.counts;
    assert.deepEqual([read, imported + conflict + rejected, unreadable], [2_000, 2_000, 0]);
    assert.ok(live.counts.memberships > 1_000);
    const exported = await slapd.slapcat();
    const file = { label: 'export.ldif', readSource: () => readLdif(Readable.from([exported])) };
    const again = await runImport(home, file, { name: 'directory' });
    assert.deepEqual([again.counts.imported, again.counts.unchanged, again.counts.changed], [0, imported, 0]);
  } finally {
    await slapd.stop();
  }
  const gate = {
    ...home,
    hasher: createHasher({ memoryKiB: 64, passes: 1 }),
    secrets: createSecrets(Buffer.alloc(32, 7)),
    limits: createLimits(home.database, { clock: home.clock }),
    net: createNet({ allow: [], log: home.log }),
    floorMs: 0,
  };
  for (const { username, password } of knownAccounts.filter((one) => !one.locked)) {
    const { person } = await passwordSignIn(gate, {
      identifier: username.toUpperCase(),
      password,
      door: 'page',
      device: 'Firefox on Linux',
      ip: '192.0.2.7',
      persistent: false,
      context: system('request'),
    });
    assert.equal(person.username, username);
  }
});
