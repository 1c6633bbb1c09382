/** What is known about kinds of SCIM targets: each fact with its source and the time it was read. */
import type { Fact, TargetProfile } from '#provisioning/connector.ts';

type Place = Pick<Fact, 'source' | 'date' | 'trust'>;

const rfc: Place = { source: 'RFC 7643 and RFC 7644', date: '2015-09', trust: 'documented' };
const habit: Place = {
  source: 'what widespread SCIM clients and servers do',
  date: '2026',
  trust: 'reported',
};
const assumed: Place = { source: 'nobody says; a careful value', date: '2026', trust: 'assumed' };

/** A target of which nothing more is known than that it speaks SCIM 2.0. */
export const genericFacts = {
  updateBy: {
    text: 'Accounts are changed by this method. PATCH is optional in SCIM; where the target says it has none, PUT is used.',
    value: 'patch',
    choices: ['patch', 'put'],
    ...rfc,
  },
  groupUpdateBy: {
    text: 'Memberships are changed by this method. PUT sends the whole list each time.',
    value: 'patch',
    choices: ['patch', 'put'],
    ...habit,
  },
  filters: {
    text: 'What accounts can be looked for by, with eq.',
    value: 'externalId userName email',
    choices: ['externalId userName email', 'externalId userName', 'userName email', 'userName'],
    ...rfc,
  },
  joinedFilters: {
    text: 'One search for an account asks for several things joined by or. "tried": where the target showed on one of its own accounts that it understands each of them so; a new account then takes two calls instead of four.',
    value: 'never',
    choices: ['never', 'tried'],
    ...assumed,
  },
  groupFilters: {
    text: 'What groups can be looked for by, with eq.',
    value: 'externalId displayName',
    choices: ['externalId displayName', 'displayName'],
    ...rfc,
  },
  removeMembers: {
    text: 'Members are removed by a filter in the path, or, as older Entra requests do, by a list of values.',
    value: 'filter',
    choices: ['filter', 'value'],
    ...habit,
  },
  membersBatch: { text: 'Most members of one change.', value: 100, ...assumed },
  pageSize: { text: 'Accounts asked for at once; the answer says how many came.', value: 100, ...habit },
  paging: {
    text: 'Pages are asked for by number or by cursor (RFC 9865); "told" goes by what the target says of itself.',
    value: 'told',
    choices: ['told', 'index', 'cursor'],
    source: 'RFC 9865',
    date: '2025-10',
    trust: 'documented',
  },
  deletes: { text: 'Accounts can be deleted.', value: true, choices: [true, false], ...rfc },
  deleteMeaning: {
    text: 'What is left of a deleted account: nothing (its id is unknown), or the account, inactive.',
    value: 'gone',
    choices: ['gone', 'inactive'],
    ...rfc,
  },
  deactivateFirst: {
    text: 'An account is deactivated before it is deleted.',
    value: false,
    choices: [false, true],
    ...assumed,
  },
  renameGroup: { text: 'Groups can be renamed.', value: true, choices: [true, false], ...rfc },
  ifMatch: {
    text: 'Versions the target gives are sent back, so that a change in the meantime is noticed (If-Match).',
    value: true,
    choices: [true, false],
    ...rfc,
  },
  excludeMembers: {
    text: 'Groups are looked for and listed without their members (excludedAttributes), as Entra does.',
    value: true,
    choices: [true, false],
    ...rfc,
  },
  membersTold: {
    text: 'Reading a group tells its members; a group without a list has none.',
    value: true,
    choices: [true, false],
    ...rfc,
  },
  joinBy: {
    text: 'What the app recognises a provisioned person by when they sign in.',
    value: 'userName',
    choices: ['userName', 'email', 'externalId'],
    ...assumed,
  },
  uniqueAddress: {
    text: 'Two accounts cannot have one address. The standard asks for this of user names alone.',
    value: false,
    choices: [false, true],
    ...rfc,
  },
} as const satisfies Record<string, Fact>;

export const genericProfile: TargetProfile = { name: 'scim', title: 'SCIM 2.0', facts: genericFacts };

const awsLimits: Place = {
  source: 'AWS IAM Identity Center SCIM developer guide, "Limitations from SCIM specification"',
  date: '2026',
  trust: 'documented',
};
const awsPatchGroup: Place = {
  ...awsLimits,
  source: 'AWS IAM Identity Center SCIM developer guide, PatchGroup',
};

/** AWS IAM Identity Center: strict, and telling no members. */
export const awsProfile: TargetProfile = {
  name: 'scim-aws',
  title: 'AWS IAM Identity Center (SCIM)',
  facts: {
    ...genericFacts,
    filters: {
      ...genericFacts.filters,
      text: 'Filters take eq, joined by and, on userName or externalId.',
      value: 'externalId userName',
      choices: ['externalId userName', 'userName'],
      ...awsLimits,
    },
    joinedFilters: {
      text: 'Filters are joined by and alone, so each thing is asked for apart.',
      value: 'never',
      ...awsLimits,
    },
    groupFilters: {
      ...genericFacts.groupFilters,
      value: 'displayName',
      choices: ['displayName', 'externalId displayName'],
      ...awsLimits,
    },
    membersBatch: { text: 'At most 100 membership changes a request.', value: 100, ...awsPatchGroup },
    removeMembers: {
      ...genericFacts.removeMembers,
      text: 'Members are removed by a list of values; replacing or removing all of them is refused.',
      value: 'value',
      choices: ['value', 'filter'],
      ...awsPatchGroup,
    },
    oneAddress: {
      text: 'One e-mail address and one telephone number an account.',
      value: true,
      ...awsLimits,
    },
    membersTold: {
      ...genericFacts.membersTold,
      text: 'Reading a group does not tell its members.',
      value: false,
      choices: [false, true],
      source: 'AWS IAM Identity Center SCIM developer guide, GetGroup',
      date: '2026',
      trust: 'reported',
    },
    pageSize: { text: 'Accounts asked for at once.', value: 50, ...assumed },
    ifMatch: {
      ...genericFacts.ifMatch,
      text: 'The version of a resource is not given.',
      value: false,
      choices: [false, true],
      source: 'AWS IAM Identity Center user guide, supported user and group attributes',
      date: '2026',
      trust: 'documented',
    },
  },
};

const slackLimits: Place = { source: 'Slack SCIM API, rate limits', date: '2026', trust: 'reported' };

/** Slack: roomy in what it takes, narrow in how fast. */
export const slackProfile: TargetProfile = {
  name: 'scim-slack',
  title: 'Slack (SCIM)',
  facts: {
    ...genericFacts,
    writesPerMinute: {
      text: 'Creating, changing and deleting accounts, a minute.',
      value: 180,
      ...slackLimits,
    },
    writesBurst: { text: 'Of these at once.', value: 20, ...slackLimits },
    organizationWritesPerMinute: {
      text: 'All writes of an organisation, a minute.',
      value: 600,
      ...slackLimits,
    },
    readsPerMinute: { text: 'Reads, a minute.', value: 1000, ...slackLimits },
    deletes: {
      ...genericFacts.deletes,
      text: 'DELETE deactivates; an account never goes for good, so it is deactivated plainly.',
      value: false,
      choices: [false, true],
      source: 'Slack SCIM API, Users',
      date: '2026',
      trust: 'reported',
    },
    deleteMeaning: {
      ...genericFacts.deleteMeaning,
      value: 'inactive',
      choices: ['inactive', 'gone'],
      ...slackLimits,
    },
  },
};
