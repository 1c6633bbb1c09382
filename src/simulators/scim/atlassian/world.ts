/** The three layers together, records, links and accounts: how they begin, are kept and come back. */
import type { Clock } from '#kit/clock/clock.ts';
import { createDirectory, type Directory, type StoredResource } from '#simulators/scim/resources.ts';
import { groupSchema } from '#simulators/scim/schema.ts';
import { createAccounts, type DomainState, domainStates, type StoredAccounts } from './accounts.ts';
import type { AtlassianSimulatorOptions } from './atlassian.ts';
import { documentedLimits } from './facts.ts';
import { createLinking, type StoredLinks, type Switches } from './linking.ts';
import { atlassianUserSchema } from './user-schema.ts';

export interface Stored extends StoredAccounts, StoredLinks {
  of: string;
  resources: StoredResource[];
}

/** What a state file of this double says it is. */
export const stateOf = 'gatehouse simulate atlassian';
export type World = ReturnType<typeof openWorld>;

export function openWorld(options: AtlassianSimulatorOptions, clock: Clock) {
  const switches: Switches = {
    deleteMeaning: options.deleteMeaning ?? 'remove',
    foreignDomains: options.foreignDomains ?? 'accept',
  };
  const accounts = createAccounts(clock);
  const linking = createLinking({ accounts, switches, directory: () => directory });
  const userSchema = atlassianUserSchema(options.extension ?? '1.0');
  const directory: Directory = createDirectory({
    userSchema,
    groupSchema,
    clock,
    lagMs: options.lagMs ?? 0,
    uniqueExternalId: false,
    uniqueGroupName: true,
    renameGroups: false,
    nestedGroups: false,
    most: { ...documentedLimits, ...options.most },
    hooks: linking.hooks,
  });
  function begin(): void {
    directory.clear();
    linking.load({ links: [], orphans: [] });
    const domains = Object.entries(options.domains ?? {}).map(
      ([name, state]) => [name.toLowerCase(), state] as [string, DomainState],
    );
    const wrong = domains.find(([, state]) => !domainStates.includes(state));
    if (wrong) throw new RangeError(`The domain ${wrong[0]} is ${domainStates.join(', ')}, not ${wrong[1]}.`);
    accounts.load({ accounts: [], invitations: [], domains });
    for (const one of options.accounts ?? []) accounts.add({ ...one, by: 'before' });
  }
  begin();
  return {
    switches,
    accounts,
    linking,
    userSchema,
    directory,
    begin,
    dump: (): Stored => ({
      of: stateOf,
      resources: directory.dump(),
      ...accounts.dump(),
      ...linking.dump(),
    }),
    load(stored: Stored): void {
      directory.load(stored.resources);
      accounts.load(stored);
      linking.load(stored);
    },
  };
}
