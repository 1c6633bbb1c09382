/** A running house with SCIM doubles as targets, for benchmarks about pushing. The doubles stand in this process. */
import { createLog } from '#kit/log/log.ts';
import type { Rate } from '#simulators/scim/rate.ts';
import { type ScimSimulator, startScimSimulator } from '#simulators/scim/scim.ts';
import { type House, startHouse } from './house.ts';

export interface Pushing {
  house: House;
  targets: ScimSimulator[];
  /** People join in one transaction; the moment of its commit, in milliseconds since 1970. */
  join(usernames: readonly string[]): Promise<number>;
  stop(): Promise<void>;
}

/** @param limits of one target each: what it allows and enforces, and what the house is told of it */
export async function startPushing(limits: readonly Rate[]): Promise<Pushing> {
  const log = createLog({ level: 'silent' });
  const targets = await Promise.all(limits.map((all) => startScimSimulator({ log, limit: { all } })));
  const house = await startHouse({ GATEHOUSE_OUTBOUND_ALLOW: '127.0.0.1' }).catch(async (error: unknown) => {
    for (const target of targets) await target.stop();
    throw error;
  });
  const stop = async () => {
    await house.stop();
    for (const target of targets) await target.stop();
  };
  try {
    const apps = targets.map((_, at) => `  - { id: app${at}, title: App ${at}, alias: { address: own } }`);
    const settings = targets.map(
      ({ url, token }, at) =>
        `  - { application: app${at}, connector: scim, mode: automatic, options: { baseUrl: "${url}" }, ` +
        `credentials: { token: "${token}" }, limits: { perMinute: ${limits[at]!.perMinute}, burst: ${limits[at]!.burst} } }`,
    );
    await house.apply(['applications:', ...apps, 'targets:', ...settings, ''].join('\n'));
    await house.settle();
  } catch (error) {
    await stop();
    throw error;
  }
  return { house, targets, join: (usernames) => house.ask<number>('join', [...usernames]), stop };
}
