/** Bench program: the whole product on an embedded database of its own, logging as a server does. */
import { loadConfig } from '#config/config.ts';
import { joinMany } from '#core/lifecycle/join.ts';
import { applyDeclared } from '#declared/declared.ts';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import { system } from '#kit/db/database.ts';
import { serve } from '#main.ts';
import { answerParent } from '../program.ts';

const joiner = (username: string) => ({
  username,
  givenName: 'Given',
  familyName: username,
  state: 'active' as const,
  origin: 'sign-up',
  addresses: [{ address: `${username}@people.test`, primary: true, verified: true }],
});

const config = loadConfig({ env: process.env });
const house = await serve(config);
answerParent(
  {
    origin: async () => config.publicUrl.replace(/\/$/, ''),
    apply: async (text: string) => {
      await applyDeclared({ ...house, context: system('apply') }, { text });
    },
    settle: () => house.settle(),
    /** People who join in one transaction; answers the moment of its commit, in milliseconds since 1970. */
    join: async (usernames: string[]) => {
      await house.database.transact(system('request'), (tx) => joinMany(tx, usernames.map(joiner)));
      return performance.timeOrigin + performance.now();
    },
    /** From now on what leaves for this domain is sealed, as if its record had been published. */
    mailKey: (domain: string) =>
      house.database.transact(system('admin'), async (tx) => {
        const key = await makeRelayKey(tx, house.secrets, { domain, algorithm: 'rsa-sha256' });
        await activateRelayKey(tx, key.id);
      }),
    processor: async () => ({ whole: process.cpuUsage(), main: process.threadCpuUsage() }),
  },
  () => house.stop(),
);
