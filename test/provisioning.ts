/** A database with an application that is a target, the model behind it, and people. */
import type { TestContext } from 'node:test';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { join } from '#core/lifecycle/join.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Cause, Tx } from '#kit/db/tx.ts';
import { createNet } from '#kit/net/net.ts';
import { type Link, linksOf } from '#provisioning/links.store.ts';
import { findPlan } from '#provisioning/plans.store.ts';
import { type ProvisioningNeeds, requireTarget, saveTarget, type Target } from '#provisioning/targets.ts';
import { timelineOf } from '#provisioning/timeline.ts';
import { type RunningProvisioning, startProvisioning } from '#provisioning/work.ts';
import { testDatabase } from './kit.ts';
import { type ModelTarget, modelTarget } from './model-target.ts';

export const masterKey = Buffer.alloc(32, 5);

type Given = Parameters<typeof modelTarget>[0];

/** @param settings of the target, beside the connector; mode automatic unless said */
export async function provisioningStage(settings: Record<string, unknown> = {}, given: Given = {}) {
  const home = await testDatabase({ poolSize: 12 });
  const { database, clock, log } = home;
  const model: ModelTarget = modelTarget(given);
  const secrets = createSecrets(masterKey);
  const connectors = new Map([['model', model.connector]]);
  const net = createNet({ allow: ['127.0.0.1'], log });
  const needs: ProvisioningNeeds = { database, secrets, net, clock, log, connectors };
  const during = <T>(work: (tx: Tx) => Promise<T>, cause: Cause = 'request') =>
    database.transact(system(cause), work);
  const app = 'wiki';
  await during((tx) =>
    saveApplication(tx, app, applicationSettings.parse({ title: 'Wiki', alias: { address: 'own' } })),
  );
  const save = (more: Record<string, unknown>, credentials?: Record<string, string>) =>
    during((tx) =>
      saveTarget(
        tx,
        secrets,
        connectors,
        app,
        { connector: 'model', mode: 'automatic', ...settings, ...more },
        credentials,
      ),
    );
  await save({});
  const running: RunningProvisioning[] = [];
  return {
    ...home,
    needs,
    model,
    app,
    during,
    save,
    target: (): Promise<Target> => during((tx) => requireTarget(tx, app)),
    async start(options: { leaseSeconds?: number } = {}): Promise<RunningProvisioning> {
      const started = await startProvisioning({ ...needs, ...options });
      running.push(started);
      return started;
    },
    person(
      username: string,
      cause: Cause = 'request',
      state: 'active' | 'unverified' = 'active',
    ): Promise<string> {
      return during(
        (tx) =>
          join(tx, {
            username,
            givenName: username,
            familyName: 'Test',
            state,
            origin: 'test',
            addresses: [{ address: `${username}@example.org`, primary: true, verified: state === 'active' }],
          }),
        cause,
      );
    },
    link: async (person: string): Promise<Link | undefined> =>
      during(async (tx) => (await linksOf(tx, app, [person])).get(person)),
    plan: (subject: string) => during((tx) => findPlan(tx, app, subject)),
    timeline: (subject: string) => during((tx) => timelineOf(tx, app, subject, { limit: 200 })),
    push: (attempt = 1, more: { cause?: string; approved?: string } = {}) => ({
      id: 1,
      attempt,
      cause: 'request',
      run: newId(),
      ...more,
    }),
    async close() {
      for (const one of running) await one.stop();
      await net.close();
      await home.close();
    },
  };
}

export type ProvisioningStage = Awaited<ReturnType<typeof provisioningStage>>;

/** A stage for one test, taken down after it. */
export async function stageFor(
  t: TestContext,
  ...given: Parameters<typeof provisioningStage>
): Promise<ProvisioningStage> {
  const made = await provisioningStage(...given);
  t.after(() => made.close());
  return made;
}
