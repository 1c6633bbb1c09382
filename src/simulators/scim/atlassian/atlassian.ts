/**
 * Owns: a double of Atlassian Cloud's provisioning: a SCIM directory with its real limits, the accounts behind it, the
 * organisation's API, and a page that shows who has arrived. What it is built on stands in facts.ts with source and date.
 * Records: records, accounts, links and domains in memory, in a file where one is named; a ledger of every request.
 * Refuses: what Atlassian refuses, either key in the other's place, and any address but loopback.
 */
import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '#kit/clock/clock.ts';
import { newId, randomToken } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import type { Look } from '#kit/page/page.ts';
import { createControl } from '#simulators/scim/control.ts';
import type { Exchange } from '#simulators/scim/exchange.ts';
import { createFaults, type Fault, type Faults, seededChance } from '#simulators/scim/faults.ts';
import { createLedger, type Ledger } from '#simulators/scim/ledger.ts';
import { startListener } from '#simulators/scim/listener.ts';
import type { Limits } from '#simulators/scim/rate.ts';
import type { Directory } from '#simulators/scim/resources.ts';
import { createPace, type SimulatedResource, simulated } from '#simulators/scim/scim.ts';
import { openStateFile } from '#simulators/scim/state-file.ts';
import { type Account, type DomainState, type Invitation, productsOf } from './accounts.ts';
import { createApi } from './api.ts';
import { controlAccounts } from './control-accounts.ts';
import { type documentedLimits, facts } from './facts.ts';
import { createIpRanges, type IpRanges, rangesPath } from './ip-ranges.ts';
import type { Switches } from './linking.ts';
import { createNotifications } from './notifications.ts';
import type { Organisation } from './organisation.ts';
import { accountsPage } from './pages.ts';
import type { ExtensionVersion } from './user-schema.ts';
import { openWorld, type Stored, stateOf } from './world.ts';

export interface AtlassianSimulatorOptions extends Partial<Switches> {
  log: Log;
  clock?: Clock;
  /** Loopback only; default 127.0.0.1. */
  host?: string;
  /** Default: any free port. */
  port?: number;
  /** The bearer of /scim/directory; default: made up. */
  directoryKey?: string;
  /** The bearer of the organisation API; default: made up. */
  organisationKey?: string;
  /** Default: made up. */
  directoryId?: string;
  organisationId?: string;
  /** Domains and their states; others are UNVERIFIED. */
  domains?: Readonly<Record<string, DomainState>>;
  /** Accounts that were there before. */
  accounts?: readonly { email: string; name: string }[];
  limit?: Limits;
  latencyMs?: number;
  lagMs?: number;
  faults?: readonly (Fault | string)[];
  seed?: number;
  pageCap?: number;
  most?: Partial<typeof documentedLimits>;
  extension?: ExtensionVersion;
  /** The share of errors whose body is not SCIM, 0 to 1; default 0. */
  foreignErrors?: number;
  state?: string;
  look?: Look;
}

/** An account as a test looks at it. */
export interface SimulatedAccount extends Account {
  products: string[];
  /** Names instead of ids. */
  groupNames: string[];
}

export interface AtlassianSimulator {
  /** The base address of SCIM, without a slash at the end. */
  readonly url: string;
  /** The page, the organisation API, and the root of /simulator/. */
  readonly origin: string;
  /** The document of networks it sends from. */
  readonly rangesUrl: string;
  readonly ranges: Pick<IpRanges, 'set'>;
  readonly directoryKey: string;
  readonly organisationKey: string;
  readonly directoryId: string;
  readonly organisationId: string;
  readonly seed: number;
  readonly state: {
    users(): SimulatedResource[];
    groups(): SimulatedResource[];
    accounts(): SimulatedAccount[];
    account(email: string): SimulatedAccount | undefined;
    invitations(): Invitation[];
    addAccount(input: { email: string; name: string }): void;
    /** The person makes an account on the address, as an invitation asks. */
    signUp(email: string, name?: string): void;
    setDomain(name: string, state: DomainState): void;
    reset(): void;
  };
  readonly switches: Switches;
  readonly ledger: Ledger;
  readonly faults: Faults;
  limit(limits: Limits): void;
  /** From now on it writes to whoever arrives, and when asked to, through this mail server. */
  writeThrough(smtpUrl: string): void;
  stop(): Promise<void>;
}

const plainLook: Look = { communityName: 'Jira', links: [] };

/**
 * Starts it. Throws RangeError for a host that is not loopback or a fault that cannot be meant, Error for a state file of
 * another kind, the system's error when the port is taken.
 */
export async function startAtlassianSimulator(
  options: AtlassianSimulatorOptions,
): Promise<AtlassianSimulator> {
  const { log, clock = systemClock, seed = randomInt(2 ** 31), directoryKey = randomToken() } = options;
  const { organisationKey = randomToken(), directoryId = newId(), organisationId = newId() } = options;
  let origin = '';
  const world = openWorld(options, clock);
  const ranges = createIpRanges(() => clock.now());
  const chance = seededChance(seed);
  const faults = createFaults({ faults: options.faults, chance });
  const { ledger, note } = createLedger();
  const pace = createPace({ limits: options.limit ?? {}, latencyMs: options.latencyMs ?? 0, clock });
  const file = openStateFile<Stored>({ file: options.state, of: stateOf, take: world.dump, log });
  if (file.loaded) world.load(file.loaded);
  const reset = () => {
    world.begin();
    ranges.reset();
    ledger.clear();
    faults.clear();
    file.changed();
  };
  const url = () => `${origin}/scim/directory/${directoryId}`;
  const mail = createNotifications({ log, known: world.accounts.list() });
  const changed = () => {
    file.changed();
    mail.welcome(world.accounts.list());
  };
  const ids = { directoryId, organisationId };
  const now = () => clock.now();
  const organisation: Organisation = { ...world, ...ids, now, origin: () => origin, changed };
  const keys = { directoryKey, organisationKey };
  const api = createApi({ options, world, organisation, keys, chance, url, ranges });
  const state = () => ({
    simulator: 'atlassian',
    url: url(),
    seed,
    ...overview(organisation, world.switches),
    ...pace.state(),
  });
  const more = (exchange: Exchange, name: string) =>
    ranges.control(exchange, name) ??
    mail.control(exchange, name, world.accounts.list()) ??
    controlAccounts({ exchange, name, ...world, changed, seen: (one) => seenAccount(one, world.directory) });
  const listener = await startListener({
    ...options,
    clock,
    api,
    ledger,
    note,
    faults,
    control: createControl({ faults, ledger, reset, state, settings: pace.set, more }),
    rate: pace.rate,
    reset: 'iso',
    latencyMs: pace.latencyMs,
    page: (frame) => peoplePage({ ...frame, organisation, ledger, look: options.look ?? plainLook }),
  });
  origin = listener.origin;
  return {
    url: url(),
    origin,
    rangesUrl: origin + rangesPath,
    ranges,
    ...keys,
    ...ids,
    seed,
    state: stateFor(organisation, reset),
    switches: world.switches,
    ledger,
    faults,
    limit: (limits) => pace.set({ limit: limits }),
    writeThrough: mail.through,
    async stop() {
      await mail.close();
      await listener.stop();
      await file.close();
    },
  };
}

function peoplePage(
  input: Omit<Parameters<typeof accountsPage>[0], 'accounts' | 'invitations'> & {
    organisation: Organisation;
  },
) {
  const { accounts, directory } = input.organisation;
  const seen = accounts.list().map((one) => seenAccount(one, directory));
  return accountsPage({ ...input, accounts: seen, invitations: accounts.invitations() });
}

const seenAccount = (account: Account, directory: Directory): SimulatedAccount => ({
  ...structuredClone(account),
  products: productsOf(account),
  groupNames: account.groups.map((id) => String(directory.find('Group', id)?.body.displayName)),
});

/** What the control address tells first; no key among it. */
function overview({ directory, accounts, directoryId, organisationId }: Organisation, switches: Switches) {
  return {
    directoryId,
    organisationId,
    users: directory.users().length,
    groups: directory.groups().length,
    accounts: accounts.list().length,
    invitations: accounts.invitations().length,
    switches,
    domains: accounts.domains(),
    facts,
  };
}

function stateFor(organisation: Organisation, reset: () => void): AtlassianSimulator['state'] {
  const { directory, accounts, linking, changed } = organisation;
  return {
    users: () => directory.users().map(simulated),
    groups: () => directory.groups().map(simulated),
    accounts: () => accounts.list().map((one) => seenAccount(one, directory)),
    account(email) {
      const account = accounts.byEmail(email);
      return account && seenAccount(account, directory);
    },
    invitations: () => structuredClone(accounts.invitations()),
    addAccount(input) {
      accounts.add({ ...input, by: 'before' });
      changed();
    },
    signUp(email, name = email) {
      linking.signUp(email, name);
      changed();
    },
    setDomain(name, state) {
      linking.setDomain(name, state);
      changed();
    },
    reset,
  };
}
