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
import { createEndpoints } from '#simulators/scim/endpoints.ts';
import { type Answer, type Exchange, jsonAnswer } from '#simulators/scim/exchange.ts';
import { createFaults, type Fault, type Faults, seededChance } from '#simulators/scim/faults.ts';
import type { Filter } from '#simulators/scim/filter.ts';
import { createLedger, type Ledger } from '#simulators/scim/ledger.ts';
import { type Api, startListener } from '#simulators/scim/listener.ts';
import type { Limits } from '#simulators/scim/rate.ts';
import { Refusal } from '#simulators/scim/refusal.ts';
import {
  createDirectory,
  type Directory,
  type Kind,
  type StoredResource,
} from '#simulators/scim/resources.ts';
import { groupSchema } from '#simulators/scim/schema.ts';
import {
  bears,
  createPace,
  ofDirectory,
  refusalAnswer,
  type SimulatedResource,
  simulated,
  unauthorised,
} from '#simulators/scim/scim.ts';
import { openStateFile } from '#simulators/scim/state-file.ts';
import { subjectOf } from '#simulators/scim/subject.ts';
import {
  type Account,
  createAccounts,
  type DomainState,
  domainStates,
  type Invitation,
  productsOf,
  type StoredAccounts,
} from './accounts.ts';
import { controlAccounts } from './control-accounts.ts';
import { documentedLimits, facts, pageCap } from './facts.ts';
import { createLinking, type StoredLinks, type Switches } from './linking.ts';
import { answerOrganisation, type Organisation, organisationError } from './organisation.ts';
import { accountsPage } from './pages.ts';
import { atlassianUserSchema, type ExtensionVersion, extensionUrn } from './user-schema.ts';

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
  stop(): Promise<void>;
}

interface Stored extends StoredAccounts, StoredLinks {
  of: string;
  resources: StoredResource[];
}

const stateOf = 'gatehouse simulate atlassian';
const plainLook: Look = { communityName: 'Jira', links: [] };

/** The three layers, and what empties, keeps and brings them back. */
function openWorld(options: AtlassianSimulatorOptions, clock: Clock) {
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
  const { directory, accounts, linking, switches } = world;
  const chance = seededChance(seed);
  const faults = createFaults({ faults: options.faults, chance });
  const { ledger, note } = createLedger();
  const pace = createPace({ limits: options.limit ?? {}, latencyMs: options.latencyMs ?? 0, clock });
  const file = openStateFile<Stored>({ file: options.state, of: stateOf, take: world.dump, log });
  if (file.loaded) world.load(file.loaded);
  const reset = () => {
    world.begin();
    ledger.clear();
    faults.clear();
    file.changed();
  };
  const url = () => `${origin}/scim/directory/${directoryId}`;
  const now = () => clock.now();
  const organisation: Organisation = {
    organisationId,
    directoryId,
    accounts,
    linking,
    directory,
    now,
    origin: () => origin,
    changed: file.changed,
  };
  const api = createApi({
    options,
    world,
    organisation,
    keys: { directoryKey, organisationKey },
    chance,
    url,
  });
  const state = () => ({
    simulator: 'atlassian',
    url: url(),
    directoryId,
    organisationId,
    seed,
    users: directory.users().length,
    groups: directory.groups().length,
    accounts: accounts.list().length,
    invitations: accounts.invitations().length,
    switches,
    domains: accounts.domains(),
    facts,
    ...pace.state(),
  });
  const seen = (account: Account): SimulatedAccount => ({
    ...structuredClone(account),
    products: productsOf(account),
    groupNames: account.groups.map((id) => String(directory.find('Group', id)?.body.displayName)),
  });
  const more = (exchange: Exchange, name: string) =>
    controlAccounts({ exchange, name, accounts, linking, switches, seen, changed: file.changed });
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
    page: (frame) =>
      accountsPage({
        ...frame,
        accounts: accounts.list().map(seen),
        invitations: accounts.invitations(),
        ledger,
        look: options.look ?? plainLook,
      }),
  });
  origin = listener.origin;
  return {
    url: url(),
    origin,
    directoryKey,
    organisationKey,
    directoryId,
    organisationId,
    seed,
    state: {
      users: () => directory.users().map(simulated),
      groups: () => directory.groups().map(simulated),
      accounts: () => accounts.list().map(seen),
      account(email) {
        const account = accounts.byEmail(email);
        return account && seen(account);
      },
      invitations: () => structuredClone(accounts.invitations()),
      addAccount: (input) => void accounts.add({ ...input, by: 'before' }),
      signUp: (email, name = email) => void linking.signUp(email, name),
      setDomain: linking.setDomain,
      reset,
    },
    switches,
    ledger,
    faults,
    limit: (limits) => pace.set({ limit: limits }),
    async stop() {
      await listener.stop();
      await file.close();
    },
  };
}

function createApi(input: {
  options: AtlassianSimulatorOptions;
  world: ReturnType<typeof openWorld>;
  organisation: Organisation;
  keys: { directoryKey: string; organisationKey: string };
  chance: () => number;
  url: () => string;
}): Api {
  const { options, world, organisation, keys } = input;
  const { directory, linking } = world;
  const urn = extensionUrn(options.extension ?? '1.0');
  const handle = createEndpoints({
    directory,
    userSchema: world.userSchema,
    groupSchema,
    pageCap: options.pageCap ?? pageCap,
    etag: false,
    base: input.url,
    checkFilter,
    extra(user) {
      const account = linking.accountOf(user.id);
      return account ? { [urn]: { atlassianAccountId: account.aaid } } : {};
    },
  });
  const isScim = (exchange: Exchange) => exchange.segments[0] === 'scim';
  const ours = (exchange: Exchange) =>
    exchange.segments[1] === 'directory' && exchange.segments[2] === organisation.directoryId;
  return {
    authenticate(exchange) {
      if (isScim(exchange)) return bears(exchange, keys.directoryKey) ? undefined : unauthorised();
      const refusal = new Refusal(401, 'The organisation API key is missing or another one.');
      return bears(exchange, keys.organisationKey) ? undefined : organisationError(refusal);
    },
    subject: (exchange) =>
      isScim(exchange) ? subjectOf(exchange, exchange.segments.slice(3), directory) : {},
    handle(exchange) {
      if (!isScim(exchange)) return answerOrganisation(organisation, exchange);
      if (!ours(exchange)) throw new Refusal(404, 'There is no such directory.');
      return handle(exchange, exchange.segments.slice(3));
    },
    refuse(refusal, exchange) {
      const share = options.foreignErrors ?? 0;
      if (share > 0 && input.chance() < share) return foreignError(refusal, exchange);
      return isScim(exchange) ? refusalAnswer(refusal) : organisationError(refusal);
    },
    ...ofDirectory(directory),
    forget(change) {
      ofDirectory(directory).forget(change);
      linking.forget(change.id);
    },
    changed: organisation.changed,
  };
}

/** facts.filters. */
function checkFilter(filter: Filter, kind: Kind): void {
  const names = kind === 'User' ? ['userName', 'externalId'] : ['displayName'];
  const fits =
    filter.is === 'compare' &&
    filter.operator === 'eq' &&
    !filter.place.sub &&
    !filter.place.extension &&
    names.includes(filter.place.attribute.name);
  if (!fits) throw new Refusal(400, `Only one eq on ${names.join(' or ')} is supported.`, 'invalidFilter');
}

/** A body as a web framework writes it (facts.errors; form assumed). */
function foreignError(refusal: Refusal, exchange: Exchange): Answer {
  return jsonAnswer(refusal.status, {
    code: refusal.status,
    message: refusal.message,
    localizedMessage: refusal.message,
    path: exchange.path,
    suppressed: [],
    stackTrace: [],
  });
}
