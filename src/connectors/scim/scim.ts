/**
 * SCIM 2.0 (RFC 7643, RFC 7644) as a client: accounts and groups at any target that speaks it.
 *
 * Owns: the forms of SCIM requests and the reading of answers, good and bad; profiles of kinds of targets. Records:
 * nothing; what `prepare` learns is kept by provisioning. Refuses: targets that cannot be asked who is there, ids that
 * would climb in an address, half lists that pass as whole ones, pages of HTML that pass as answers.
 */
import { z } from 'zod';
import {
  type Capabilities,
  type Connection,
  type Connector,
  type Desired,
  type Judgement,
  type Opening,
  Stop,
  type TargetProfile,
} from '#provisioning/connector.ts';
import { type AccountHabits, createAccounts, provenTogether } from './accounts.ts';
import { type CheckInput, type Creation, readChecks, writeChecks } from './check.ts';
import {
  type Dialect,
  type DialectOptions,
  dialectOf,
  dialectOptions,
  type Filter,
  readSelfDescription,
  type SelfDescription,
} from './dialect.ts';
import { createExchange, type Exchange, isObject, own } from './exchange.ts';
import { createGroups } from './groups.ts';
import { awsProfile, genericProfile, slackProfile } from './profiles.ts';
import { type Field, userFields } from './resource.ts';

export interface ScimOptions extends DialectOptions {
  /** Address below which Users and Groups stand. */
  baseUrl: string;
  authentication: 'bearer' | 'basic';
}

const options: z.ZodType<ScimOptions> = z.strictObject({
  baseUrl: z.url({ protocol: /^https?$/ }).describe('Address below which /Users and /Groups stand.'),
  authentication: z.enum(['bearer', 'basic']).default('bearer').describe('How we prove who we are.'),
  ...dialectOptions,
});

const capabilities: Capabilities = {
  list: true,
  find: true,
  groups: true,
  renameGroup: true,
  delete: true,
  invite: false,
  membersBatch: 100,
};

const credentials = [
  { name: 'token', text: 'Token, for authentication "bearer".', required: false },
  { name: 'user', text: 'User name, for authentication "basic".', required: false },
  { name: 'password', text: 'Password, for authentication "basic".', required: false },
] as const;

function scimConnectorFor(
  profile: TargetProfile,
  limits: Connector['limits'],
  less: Partial<Capabilities> = {},
): Connector<ScimOptions> {
  return {
    name: profile.name,
    title: profile.title,
    capabilities: { ...capabilities, ...less },
    attributes: userFields.map(({ spec }) => spec),
    profile,
    options,
    credentials,
    limits,
    open: openScim,
  };
}

/** Any target that speaks SCIM 2.0. */
export const scimConnector = scimConnectorFor(genericProfile, {
  perMinute: 300,
  burst: 10,
  concurrency: 4,
  timeoutSeconds: 10,
});

/** AWS IAM Identity Center and targets as strict. */
export const awsConnector = scimConnectorFor(awsProfile, {
  perMinute: 300,
  burst: 10,
  concurrency: 2,
  timeoutSeconds: 10,
});

/** Slack and targets with such limits. */
export const slackConnector = scimConnectorFor(
  slackProfile,
  { perMinute: 180, burst: 20, concurrency: 2, timeoutSeconds: 10 },
  { delete: false },
);

function openScim(opening: Opening<ScimOptions>): Connection {
  const exchange = createExchange({
    base: new URL(opening.options.baseUrl),
    authorization: () => authorizationOf(opening),
    contentType: opening.options.contentType ?? 'application/scim+json',
    secrets: secretsOf(opening),
    call: opening.call,
  });
  const { options, facts, state } = opening;
  const dialect = dialectOf(userFields, options, facts, storedDescription(state), storedJoined(state));
  return scimConnection(exchange, dialect, {
    facts,
    prepare: async () => ({
      config: await describe(exchange),
      ...(facts.joinedFilters === 'tried' && { joined: await provenTogether(exchange, dialect.filters) }),
    }),
    judge: (desired) => judgePlainly(desired, userFields),
  });
}

function authorizationOf({ options: { authentication }, credentials: given }: Opening<ScimOptions>): string {
  if (authentication === 'basic') {
    if (!given.user || !given.password)
      throw new Stop('credentials', 'A user name and a password are needed for this target.');
    return `Basic ${basicPair(given)}`;
  }
  if (!given.token) throw new Stop('credentials', 'A token is needed for this target.');
  return `Bearer ${given.token}`;
}

const basicPair = ({ user = '', password = '' }: Opening['credentials']) =>
  Buffer.from(`${user}:${password}`).toString('base64');

/** Also in the form they travel in. */
function secretsOf({ credentials: given }: Opening<ScimOptions>): string[] {
  return [given.token, given.password, given.password && basicPair(given)].filter((one) => one !== undefined);
}

export interface ConnectionParts {
  facts: Opening['facts'];
  prepare(): Promise<unknown>;
  judge: Connection['judge'];
  habits?: AccountHabits;
  invite?(desired: Desired): Promise<undefined>;
  /** A test account of that user name, as this kind of target takes it. */
  testAccount?(userName: string): Desired;
  /** What its creation tells about this kind of target. */
  creation?(desired: Desired): Creation;
  moreChecks?(input: CheckInput): Promise<CheckFindings>;
}

type CheckFindings = Awaited<ReturnType<typeof readChecks>>;

/** A connection out of its parts; kinds of targets built on SCIM bring their own. */
export function scimConnection(exchange: Exchange, dialect: Dialect, parts: ConnectionParts): Connection {
  const accounts = createAccounts(exchange, dialect, parts.habits);
  const groups = createGroups(exchange, dialect);
  return {
    capabilities: {
      renameGroup: dialect.renameGroup,
      delete: dialect.deletes,
      membersBatch: dialect.membersBatch,
    },
    // Together where all of them may be; an account without an address has one thing less to ask for.
    looks: dialect.filters.every((one) => dialect.joined.includes(one)) ? 1 : dialect.filters.length,
    prepare: parts.prepare,
    judge: parts.judge,
    find: accounts.find,
    read: accounts.read,
    list: accounts.list,
    apply: async (step) => {
      if (step.do !== 'invite') return accounts.apply(step);
      if (!parts.invite) throw new Stop('impossible', 'This target takes no invitations.');
      return parts.invite(step.desired);
    },
    ...groups,
    check: async ({ write }) => {
      const input: CheckInput = { exchange, dialect, facts: parts.facts, accounts, groups };
      const read = [...(await readChecks(input)), ...((await parts.moreChecks?.(input)) ?? [])];
      if (write === undefined) return read;
      const desired = (parts.testAccount ?? plainTestAccount)(write);
      return [...read, ...(await writeChecks(input, desired, parts.creation?.(desired)))];
    },
  };
}

function plainTestAccount(userName: string): Desired {
  const attributes = {
    userName,
    email: userName.includes('@') ? userName : null,
    displayName: 'Gatehouse check',
    givenName: 'Gatehouse',
    familyName: 'Check',
  };
  return { externalId: `gatehouse-check-${userName}`, active: true, attributes };
}

/** What the target says of itself; undefined where it says nothing. */
export async function describe(exchange: Exchange): Promise<SelfDescription | undefined> {
  const response = await exchange.send({
    method: 'GET',
    path: ['ServiceProviderConfig'],
    take: [400, 404, 405, 501],
  });
  if (response.status >= 400 || !isObject(response.json)) return undefined;
  return readSelfDescription(response.json);
}

/** The same out of what was kept. */
export function storedDescription(state: unknown): SelfDescription | undefined {
  const config = isObject(state) ? own(state, 'config') : undefined;
  return isObject(config) ? (config as unknown as SelfDescription) : undefined;
}

/** What it may be asked for together, as it showed when it was prepared. */
function storedJoined(state: unknown): Filter[] {
  const joined = isObject(state) ? own(state, 'joined') : undefined;
  return Array.isArray(joined) ? (joined as Filter[]) : [];
}

/** A target without opinions takes everything, once what it requires is there. */
export function judgePlainly(desired: Desired, fields: readonly Field[]): Judgement {
  const missing = fields
    .filter(
      ({ spec }) => spec.required && [null, undefined, ''].includes(desired.attributes[spec.name] as null),
    )
    .map(({ spec }) => spec.name);
  if (missing.length === 0) return { standing: 'managed', frozen: [], why: '' };
  return {
    standing: 'impossible',
    frozen: [],
    why: `The target needs ${missing.join(' and ')}; the mapping gives none.`,
  };
}
