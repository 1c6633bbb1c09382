/**
 * Atlassian Cloud: its SCIM directory and the organisation's interface, with the limits they really have.
 *
 * Owns: what Atlassian makes of an account (managed, external, invited, in need of an alias), its extension keys, the
 * order "inactive, then deleted". Records: nothing; domains are kept by provisioning. Refuses: judging while domains are
 * unknown, changes of address that would cut an account off, renaming of groups.
 */

import type { AccountHabits } from '#connectors/scim/accounts.ts';
import { type CheckInput, finding, plainCreation } from '#connectors/scim/check.ts';
import { dialectOf } from '#connectors/scim/dialect.ts';
import { createExchange, isObject, type Json, own } from '#connectors/scim/exchange.ts';
import { enterpriseSchema, type Field, userFields } from '#connectors/scim/resource.ts';
import { describe, scimConnection, storedDescription } from '#connectors/scim/scim.ts';
import {
  type Connection,
  type Connector,
  type Desired,
  type GroupStep,
  type Opening,
  Stop,
} from '#provisioning/connector.ts';
import { type Domain, domainOf, judgeAccount } from './domains.ts';
import { type AtlassianOptions, atlassianOptions } from './options.ts';
import { openOrganisation } from './organisation.ts';
import { atlassianProfile } from './profile.ts';

const taken = ['givenName', 'familyName', 'nickName', 'title', 'preferredLanguage', 'timezone'];

/** The attributes, with enterprise ones under the extension key of that version. Both versions are read. */
function fieldsFor(version: string): Field[] {
  const urn = (number: string) => enterpriseSchema.replace('2.0', number);
  const other = version === '2.1' ? '2.0' : '2.1';
  const inherited = userFields.flatMap((field): Field[] => {
    const { name } = field.spec;
    if (name === 'userName') return [field];
    if (name === 'email' || name === 'displayName')
      return [{ ...field, spec: { ...field.spec, required: true, synced: 'managed' } }];
    const mapping = name === 'preferredLanguage' ? { mapping: 'locale' } : {};
    return taken.includes(name) ? [{ ...field, spec: { ...field.spec, ...mapping, synced: 'managed' } }] : [];
  });
  const enterprise = ['department', 'organization'].map((name): Field => {
    const { spec } = userFields.find((field) => field.spec.name === name)!;
    return {
      spec: { ...spec, synced: 'managed' },
      kind: 'text',
      path: [urn(version), name],
      copies: [[name]],
      also: [[urn(other), name]],
    };
  });
  return [...inherited, ...enterprise];
}

const fields = fieldsFor('2.0');
const managedOnly = fields.filter(({ spec }) => spec.synced === 'managed').map(({ spec }) => spec.name);

/** Jira, Confluence and the other products of an Atlassian organisation. */
export const atlassianConnector: Connector<AtlassianOptions> = {
  name: atlassianProfile.name,
  title: atlassianProfile.title,
  capabilities: {
    list: true,
    find: true,
    groups: true,
    renameGroup: false,
    delete: true,
    invite: true,
    membersBatch: 100,
  },
  attributes: fields.map(({ spec }) => spec),
  profile: atlassianProfile,
  options: atlassianOptions,
  credentials: [
    {
      name: 'directoryKey',
      text: 'Key of the directory, shown once when provisioning is set up.',
      required: true,
    },
    {
      name: 'organisationKey',
      text: 'Key of the organisation, for its domains and for invitations.',
      required: false,
    },
  ],
  limits: { perMinute: 300, burst: 10, concurrency: 1, timeoutSeconds: 15 },
  open: openAtlassian,
};

function openAtlassian(opening: Opening<AtlassianOptions>): Connection {
  const { options, facts, credentials, state } = opening;
  const key = credentials.directoryKey;
  const exchange = createExchange({
    base: directoryAddress(options),
    authorization: () => {
      if (!key) throw new Stop('credentials', 'The key of the directory is missing.');
      return `Bearer ${key}`;
    },
    contentType: options.contentType ?? 'application/scim+json',
    secrets: key ? [key] : [],
    call: opening.call,
  });
  const spelled = fieldsFor(String(facts.extensionKeys));
  const dialect = { ...dialectOf(spelled, options, facts, storedDescription(state)), drop: accountKeys };
  const known = knownState(state, options);
  const judge: Connection['judge'] = (desired, remote) =>
    judgeAccount({ desired, remote, facts, ...known, outsiders: options.outsiders, managedOnly });
  const connection = scimConnection(exchange, dialect, {
    facts,
    judge,
    habits: habitsFor(judge),
    prepare: async () => {
      const domains = await readDomains(opening);
      const count = await exchange.object({
        method: 'GET',
        path: ['Users'],
        query: { startIndex: '1', count: '1' },
      });
      const users = Number(count.totalResults);
      return {
        config: await describe(exchange),
        ...(domains ? { domains } : {}),
        ...(Number.isSafeInteger(users) ? { users } : {}),
      };
    },
    invite: async (desired) => openOrganisation(opening).invite(addressOf(desired)),
    testAccount,
    creation: (desired) => creationOf(desired, judge, facts),
    moreChecks: (input) => atlassianChecks(input, opening, known.domains),
  });
  return {
    ...connection,
    applyGroup: (step) => applyGroup(connection, step),
    records: {
      linksOf: async (accountId) => openOrganisation(opening).linksOf(accountId),
      linksForEmail: async (email) => openOrganisation(opening).linksForEmail(email),
      unlink: async (directory, record) => openOrganisation(opening).unlink(directory, record),
      deleteRecords: async (accountId) => openOrganisation(opening).deleteRecords(accountId),
      // Without active:false before it (fact deactivateFirst): the account behind is to stay as it is.
      forget: async (id) => {
        await exchange.send({ method: 'DELETE', path: ['Users', id], take: [404, 410] });
      },
    },
  };
}

function directoryAddress({ baseUrl, apiUrl, directoryId }: AtlassianOptions): URL {
  if (baseUrl !== undefined) return new URL(baseUrl);
  return new URL(`${apiUrl.replace(/\/+$/, '')}/scim/directory/${encodeURIComponent(directoryId!)}`);
}

async function readDomains(opening: Opening<AtlassianOptions>): Promise<Domain[] | undefined> {
  const { options, credentials } = opening;
  if (!credentials.organisationKey || !options.orgId) return undefined;
  try {
    return await openOrganisation(opening).domains();
  } catch (error) {
    if (error instanceof Stop && error.code === 'credentials')
      throw new Stop(
        'credentials',
        'Atlassian refuses the organisation key. Renew it, or take it away and name the domains.',
      );
    throw error;
  }
}

/** What was prepared, with the administrator's own list of domains over it. */
function knownState(
  state: unknown,
  options: AtlassianOptions,
): { domains: Domain[] | undefined; users: number | undefined } {
  const kept = isObject(state) ? state : {};
  const read = Array.isArray(kept.domains) ? (kept.domains as Domain[]) : undefined;
  const named = options.domains ?? [];
  const rest = (read ?? []).filter((domain) => !named.some(({ name }) => name === domain.name));
  return {
    domains: read || options.domains ? [...named, ...rest] : undefined,
    users: typeof kept.users === 'number' ? kept.users : undefined,
  };
}

const accountKeys = ['1.0', '1.1'].map(
  (version) => `urn:scim:schemas:extension:atlassian-external:${version}`,
);

function accountIdOf(resource: Json): string | undefined {
  for (const key of accountKeys) {
    const extension = own(resource, key);
    const value = isObject(extension) ? own(extension, 'atlassianAccountId') : undefined;
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

function habitsFor(judge: Connection['judge']): AccountHabits {
  return {
    guardNeedsRead: true,
    complete: (account, resource) => {
      const accountId = accountIdOf(resource);
      return accountId ? { ...account, accountId } : account;
    },
    guard: ({ fields: changed, desired }, before) => {
      if (!before || !changed.includes('email')) return;
      const { frozen, why } = judge(desired, before);
      if (frozen.includes('email')) throw new Stop('refused', why);
    },
  };
}

async function applyGroup(connection: Connection, step: GroupStep) {
  try {
    return await connection.applyGroup(step);
  } catch (error) {
    if (step.do !== 'create-group' || !(error instanceof Stop) || error.code !== 'clash') throw error;
    throw new Stop(
      'clash',
      `A group called "${step.name}" is there already, in the directory or on a site. Rename one of them, or settle the conflict in Atlassian Administration. ${error.message}`,
    );
  }
}

function addressOf(desired: Desired): string {
  const email = desired.attributes.email;
  if (typeof email === 'string' && domainOf(email)) return email;
  throw new Stop('refused', 'There is no e-mail address to invite.');
}

function testAccount(userName: string): Desired {
  if (!domainOf(userName))
    throw new Stop(
      'refused',
      'Name the test account by an e-mail address; its domain says which case is tried.',
    );
  const attributes = { userName, email: userName, displayName: 'Gatehouse check' };
  return { externalId: `gatehouse-check-${userName}`, active: true, attributes };
}

/** Which fact a test account tries: one on a domain that is not the organisation's says what becomes of outsiders. */
function creationOf(desired: Desired, judge: Connection['judge'], facts: Opening['facts']) {
  if (judge({ ...desired, own: true }, undefined).standing === 'managed') return plainCreation;
  return {
    fact: 'foreignDomains',
    expected: String(facts.foreignDomains),
    taken: 'external',
    refused: 'refused',
  };
}

async function atlassianChecks(
  { exchange, facts }: CheckInput,
  opening: Opening<AtlassianOptions>,
  known: readonly Domain[] | undefined,
) {
  const users = await exchange.object({
    method: 'GET',
    path: ['Users'],
    query: { startIndex: '1', count: '1' },
  });
  const total = Number(own(users, 'totalResults'));
  const most = Number(facts.mostUsers);
  const findings = [
    { fact: 'mostUsers', expected: `at most ${most}`, found: `${total} accounts`, same: !(total > most) },
  ];
  const keys = Object.keys((own(users, 'Resources') as Json[] | undefined)?.[0] ?? {});
  const enterprise = keys.find((key) => /extension:enterprise:/i.test(key));
  if (enterprise)
    findings.push(finding('extensionKeys', facts.extensionKeys, /:(2\.\d):/.exec(enterprise)?.[1]));
  const account = keys.find((key) => /extension:atlassian-external:/i.test(key));
  if (account) findings.push(finding('accountKey', facts.accountKey, account));
  const domains = await readDomains(opening);
  for (const domain of domains ?? []) {
    const before = known?.find(({ name }) => name === domain.name)?.state ?? 'not known';
    findings.push(finding(`domain ${domain.name}`, before, domain.state));
  }
  return findings;
}
