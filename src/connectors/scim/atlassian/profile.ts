/** What is known about Atlassian Cloud's user provisioning, with where it stands; contradictions are switches. */

import { genericFacts } from '#connectors/scim/profiles.ts';
import type { Fact, TargetProfile } from '#provisioning/connector.ts';

type Place = Pick<Fact, 'source' | 'date' | 'trust'>;

const reference: Place = {
  source: 'Atlassian, user provisioning REST API reference',
  date: '2026',
  trust: 'documented',
};
const ticket = (name: string): Place => ({
  source: `jira.atlassian.com ${name}`,
  date: '2026',
  trust: 'reported',
});
const clients: Place = { source: 'independent clients of the API', date: '2026', trust: 'reported' };
const unsaid: Place = { source: 'not published; a careful value', date: '2026', trust: 'assumed' };
const outside: Place = {
  source: 'Atlassian community article "Easily provision users from outside your verified domain"',
  date: '2020-11',
  trust: 'documented',
};

const speaking = {
  updateBy: {
    ...genericFacts.updateBy,
    text: 'PUT replaces the whole account and clears what is left out, so everything is sent.',
    value: 'put',
    choices: ['put', 'patch'],
    ...reference,
  },
  filters: {
    ...genericFacts.filters,
    text: 'One eq comparison, on userName or externalId; every other filter is refused.',
    value: 'externalId userName',
    choices: ['externalId userName', 'userName'],
    ...reference,
  },
  groupFilters: {
    ...genericFacts.groupFilters,
    text: 'One eq comparison on displayName.',
    value: 'displayName',
    choices: ['displayName'],
    ...reference,
  },
  removeMembers: { ...genericFacts.removeMembers, ...clients },
  membersBatch: { text: 'Most members of one change. No number is published.', value: 100, ...unsaid },
  pageSize: {
    text: 'Accounts asked for at once. No cap is published; the answer says.',
    value: 100,
    ...unsaid,
  },
  paging: { ...genericFacts.paging, text: 'Pages are asked for by number.', value: 'index', ...reference },
  ifMatch: { ...genericFacts.ifMatch, ...unsaid },
  extensionKeys: {
    text: 'Version in the key of the enterprise extension that is written. Both are read. One client library spells 2.1; the service answers with 2.0.',
    value: '2.0',
    choices: ['2.0', '2.1'],
    ...clients,
  },
  accountKey: {
    text: 'Read-only extension that holds the id of the Atlassian account; version 1.1 and missing are read as well.',
    value: 'urn:scim:schemas:extension:atlassian-external:1.0',
    ...clients,
  },
} as const satisfies Record<string, Fact>;

const behaving = {
  foreignDomains: {
    text: 'An account whose address is on a domain the organisation has not verified is made as an external one, or refused. The two pages disagree.',
    value: 'external',
    choices: ['external', 'refused'],
    ...outside,
  },
  unclaimedDomains: {
    text: 'While a domain is verified and no account on it claimed, its addresses count as external: records without account, and doubles when the address changes.',
    value: 'external',
    choices: ['external', 'managed'],
    ...ticket('ACCESS-2172'),
  },
  managedEmailChange: {
    text: 'A managed account follows a new address on a verified domain and stays the same account.',
    value: 'follows',
    choices: ['follows', 'refused'],
    source: 'Atlassian, page about changing e-mail addresses of managed accounts, and reports of users',
    date: '2026',
    trust: 'reported',
  },
  externalEmailChange: {
    text: 'A new address on the record of an external account cuts the link to the account: groups go, and do not come back by themselves.',
    value: 'unlinks',
    choices: ['unlinks', 'follows'],
    ...ticket('ACCESS-1396, ACCESS-1737, ACCESS-1379'),
  },
  externalAttributes: {
    text: 'Name, address and everything else of an external account belong to its person and are not taken over; memberships are.',
    value: 'not synced',
    ...outside,
  },
  deactivateFirst: {
    ...genericFacts.deactivateFirst,
    text: 'A record that is forgotten without active:false leaves an active account behind, so it is always deactivated first.',
    value: true,
    choices: [true],
    ...ticket('ACCESS-1388'),
  },
  deleteMeaning: {
    text: 'DELETE removes the record, unlinks it and deactivates a managed account (current text); or it only deactivates, and the id answers 404 until it is activated again (older text).',
    value: 'gone',
    choices: ['gone', 'inactive'],
    ...reference,
  },
  renameGroup: {
    ...genericFacts.renameGroup,
    text: 'Groups cannot be renamed: a new one is made, members move, the old one is deleted.',
    value: false,
    choices: [false],
    ...reference,
  },
  addressReservedDays: {
    text: 'Days an address stays taken after its account was deleted.',
    value: 14,
    source: 'Atlassian community',
    date: '2026',
    trust: 'reported',
  },
  eventualConsistency: {
    text: 'A new account or group is seen by Jira, Confluence and the other interfaces some time later only.',
    value: true,
    ...ticket('AX-282'),
  },
} as const satisfies Record<string, Fact>;

const sizes = {
  mostUsers: {
    text: 'Accounts in a directory. Texts of different years say 20,000 and 70,000; advice for large organisations 500,000, at most 1,000,000.',
    value: 70_000,
    choices: [20_000, 70_000, 500_000, 1_000_000],
    ...reference,
  },
  mostGroups: {
    text: 'Groups in a directory: advised, and at most.',
    value: 200_000,
    choices: [200_000, 290_000],
    ...reference,
  },
  mostGroupMembers: {
    text: 'Accounts in a group. An older text says 20,000, newer advice 250,000.',
    value: 20_000,
    choices: [20_000, 250_000],
    ...reference,
  },
  mostMemberships: {
    text: 'Memberships in a directory: advised, and at most.',
    value: 2_500_000,
    choices: [2_500_000, 8_000_000],
    ...reference,
  },
  invitation: {
    text: 'People are invited with the organisation key at /admin/v2/orgs/{orgId}/users/invite; one paid subscription is needed. The v1 address ended in June 2026.',
    value: 'v2',
    source: 'Atlassian, Organizations REST API change log',
    date: '2026-07',
    trust: 'documented',
  },
  domainList: {
    text: 'Domains of the organisation at /admin/v1/orgs/{orgId}/domains tell verified or not, not whether they are claimed: name unclaimed ones in the options.',
    value: 'verified only',
    source: 'Atlassian, Organizations REST API reference, Domains',
    date: '2026',
    trust: 'documented',
  },
} as const satisfies Record<string, Fact>;

export const atlassianProfile: TargetProfile = {
  name: 'atlassian',
  title: 'Atlassian Cloud (user provisioning)',
  facts: {
    ...speaking,
    groupUpdateBy: { ...genericFacts.groupUpdateBy, ...reference },
    membersTold: { ...genericFacts.membersTold, ...clients },
    excludeMembers: { ...genericFacts.excludeMembers, ...reference },
    deletes: { ...genericFacts.deletes, ...reference },
    joinBy: {
      ...genericFacts.joinBy,
      text: 'Whoever signs in is matched by address: it names the Atlassian account behind the record.',
      value: 'email',
      choices: ['email'],
      source: 'Microsoft Entra, tutorial for Atlassian Cloud provisioning, and reports of users',
      date: '2026',
      trust: 'documented',
    },
    uniqueAddress: {
      ...genericFacts.uniqueAddress,
      text: 'An address belongs to one Atlassian account; another one that asks for it is refused (409).',
      value: true,
      choices: [true],
      source: 'Atlassian, page about changing e-mail addresses of managed accounts',
      date: '2026',
      trust: 'documented',
    },
    ...behaving,
    ...sizes,
  },
};
