/** What is known of Atlassian Cloud's provisioning, and where it stands. What contradicts itself is a switch. */

export interface Fact {
  text: string;
  source: string;
  /** Year, or month, of the source. */
  date: string;
  /** `documented` by the vendor, `reported` by users or staff, `assumed` until someone looks at the real thing. */
  trust: 'documented' | 'reported' | 'assumed';
}

const api = 'developer.atlassian.com, User provisioning REST API';
const fact = (trust: Fact['trust'], date: string, source: string, text: string): Fact => ({
  text,
  source,
  date,
  trust,
});

export const facts = {
  base: fact(
    'documented',
    '2025',
    api,
    'Paths start with /scim/directory/{directoryId}; there is no /scim/v2 in them.',
  ),
  keys: fact(
    'documented',
    '2025',
    api,
    'The directory has its own API key; the organisation API takes another one.',
  ),
  filters: fact(
    'documented',
    '2025',
    api,
    'One eq on userName or externalId of users, displayName of groups; no sorting.',
  ),
  required: fact(
    'documented',
    '2023',
    'go-atlassian docs, page scim/users',
    'displayName, userName and one address are needed.',
  ),
  extension: fact(
    'reported',
    '2023',
    'independent connectors; go-atlassian spells it 1.1',
    'atlassianAccountId stands in urn:scim:schemas:extension:atlassian-external:1.0, and only while there is a link.',
  ),
  linking: fact(
    'documented',
    '2024',
    'jira.js, userProvisioning.createUser',
    'An account with the same address is linked; no second one is made.',
  ),
  clash: fact(
    'documented',
    '2023',
    'support.atlassian.com, Unable to push user from the Identity Provider',
    'An address that another account has is answered 409 "Resource [USER]: with email[x@y] already exists."',
  ),
  rename: fact(
    'documented',
    '2024',
    `${api}; entra-docs atlassian-cloud-provisioning-tutorial`,
    'A new displayName of a group is not taken over.',
  ),
  groupClash: fact('documented', '2025', api, 'A group name that is taken is answered 409.'),
  deletion: fact(
    'documented',
    '2024',
    'jira.js, userProvisioning.deleteUser; older introduction and go-atlassian contradict',
    'DELETE removes the record and deactivates the managed account; the older text: it sets active false, and the id answers 404 until it comes back.',
  ),
  foreign: fact(
    'documented',
    '2022',
    'Atlassian Community, Easily provision users from outside your verified domain; texts before 2020 contradict',
    'People outside verified domains may be provisioned: linked or invited, given groups, nothing else.',
  ),
  frozen: fact(
    'documented',
    '2022',
    'Atlassian Community, Easily provision users from outside your verified domain',
    'Attributes of accounts that are not managed are not synced; active false takes their groups only.',
  ),
  linkLoss: fact(
    'reported',
    '2021',
    'jira.atlassian.com ACCESS-1396, ACCESS-1737, ACCESS-1379',
    'A changed address of an external user, or managed becoming unmanaged, drops the link and the groups; groups do not come back by themselves.',
  ),
  unclaimed: fact(
    'reported',
    '2023',
    'jira.atlassian.com ACCESS-2172',
    'Domains go UNVERIFIED, VERIFIED_UNCLAIMED, VERIFIED; before the last, people on them are external.',
  ),
  lag: fact(
    'reported',
    '2022',
    'jira.atlassian.com AX-282',
    'What was written is seen elsewhere only after a while.',
  ),
  limits: fact(
    'documented',
    '2025',
    'Atlassian support, directory limits; older texts: 20,000 (2019), 70,000 (2021) users',
    'At most 1,000,000 users, 290,000 groups, 250,000 members of a group.',
  ),
  rates: fact(
    'assumed',
    '2025',
    'Jira Cloud rate limiting; numbers for provisioning are not published',
    '429 with X-RateLimit-Limit, -Remaining, -Reset (ISO 8601) and Retry-After.',
  ),
  pageCap: fact('assumed', '2025', 'not documented', 'Pages hold 100.'),
  errors: fact(
    'documented',
    '2024',
    'jira.js, models Failure and BadRequestException',
    'Some error bodies are not SCIM.',
  ),
  helpers: fact(
    'documented',
    '2025',
    'developer.atlassian.com, Admin APIs',
    'onlyDeleteUserInDB, get-scim-links, get-scim-links-for-email, unlink; forms of answers are assumed.',
  ),
  invite: fact(
    'documented',
    '2026-06',
    'developer.atlassian.com, Organizations API changelog',
    'POST /admin/v2/orgs/{orgId}/users/invite; v1 ended after 30 June 2026.',
  ),
  directoryUsers: fact(
    'documented',
    '2025',
    'Organizations REST API v2; members assumed',
    'Users of a directory come with opaque cursors.',
  ),
  lifecycle: fact(
    'assumed',
    '2024',
    'User management REST API',
    'disable, enable, delete and e-mail work for managed accounts alone; a deleted address is held for 14 days.',
  ),
  domains: fact(
    'assumed',
    '2025',
    'Organizations REST API v1',
    'GET /admin/v1/orgs/{orgId}/domains: data[].attributes.name and .claim.status, links.next.',
  ),
  ranges: fact(
    'documented',
    '2025',
    'ip-ranges.atlassian.com; jira.atlassian.com ACCESS-1771',
    'Networks of every product stand in one JSON document that asks for no key; mail is product email, direction egress.',
  ),
} as const satisfies Record<string, Fact>;

/** facts.limits. */
export const documentedLimits = { users: 1_000_000, groups: 290_000, members: 250_000 };
/** facts.pageCap. */
export const pageCap = 100;
/** facts.lifecycle. */
export const graceDays = 14;
