/** A whole directory over the wire: listed, planned, approved, pushed, looked at again; with a limit and with faults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scimConnector } from '#connectors/scim/scim.ts';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { joinMany } from '#core/lifecycle/join.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createNet } from '#kit/net/net.ts';
import { approve } from '#provisioning/approval.ts';
import type { Connector } from '#provisioning/connector.ts';
import { listTarget } from '#provisioning/listing.ts';
import { planTarget } from '#provisioning/reconcile.ts';
import { strangers } from '#provisioning/strangers.ts';
import { type ProvisioningNeeds, requireTarget, saveTarget } from '#provisioning/targets.ts';
import { startProvisioning } from '#provisioning/work.ts';
import { startScimSimulator } from '#simulators/scim/scim.ts';
import { testDatabase } from '#test/kit.ts';

const people = 120;
const app = 'wiki';

test('a directory over the wire is listed in pages, planned, approved, pushed and then as it should be', async (t) => {
  const home = await testDatabase({ poolSize: 12 });
  const { database, log } = home;
  const simulator = await startScimSimulator({ log, pageCap: 25, seed: 1 });
  const net = createNet({ allow: ['127.0.0.1'], log });
  t.after(async () => {
    await net.close();
    await simulator.stop();
    await home.close();
  });
  const connectors = new Map<string, Connector>([['scim', scimConnector as Connector]]);
  const secrets = createSecrets(Buffer.alloc(32, 3));
  const needs: ProvisioningNeeds = { database, secrets, net, clock: systemClock, log, connectors };
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('admin'), work);
  await during(async (tx) => {
    await saveApplication(tx, app, applicationSettings.parse({ title: 'Wiki' }));
    await saveTarget(
      tx,
      secrets,
      connectors,
      app,
      {
        connector: 'scim',
        mode: 'plan',
        options: { baseUrl: simulator.url },
        limits: { perMinute: 60_000, burst: 200, concurrency: 4 },
      },
      { token: simulator.token },
    );
    const joiners = Array.from({ length: people }, (_, at) => ({
      username: `person${at}`,
      givenName: 'Given',
      familyName: `Family${at}`,
      state: 'active' as const,
      origin: 'old-directory',
      addresses: [{ address: `person${at}@example.org`, primary: true, verified: true }],
    }));
    await joinMany(tx, joiners);
  });
  // Somebody works there already by hand.
  for (const userName of ['PERSON7', 'by-hand'])
    await fetch(`${simulator.url}/Users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${simulator.token}`, 'content-type': 'application/scim+json' },
      body: JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName }),
    });
  const target = () => during((tx) => requireTarget(tx, app));
  const list = async () => {
    const listing = await listTarget(needs, await target());
    assert.equal(listing.complete, true, listing.why);
    return listing;
  };
  assert.equal((await list()).accounts, 2);
  const first = await planTarget(needs, await target());
  assert.deepEqual([first.totals.create, first.totals.link], [people - 1, 1]);
  const running = await startProvisioning(needs);
  t.after(() => running.stop());
  await running.settle();
  assert.equal(simulator.state.users().length, 2, 'nothing before somebody approves');
  assert.equal(await during((tx) => approve(tx, app, { all: true })), people);
  await running.settle();
  assert.equal(simulator.state.users().length, people + 1);
  await list();
  const second = await planTarget(needs, await target());
  assert.equal(second.totals.unchanged, people, JSON.stringify(second.totals));
  const left = await during((tx) => strangers(tx, app));
  assert.deepEqual(
    left.map(({ attributes }) => attributes.userName),
    ['by-hand'],
  );
  // A directory that lost much of itself is not believed, and nothing is planned from it.
  simulator.state.reset();
  const lost = await listTarget(needs, await target());
  assert.equal(lost.complete, false);
  assert.equal((await planTarget(needs, await target())).totals.unchanged, people);
});
