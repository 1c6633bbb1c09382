/** The organisation's own API beside SCIM: domains, users, invitations, life of accounts, and help with links. */
import type { Handled } from '#simulators/scim/endpoints.ts';
import { type Answer, type Exchange, jsonAnswer, readJson } from '#simulators/scim/exchange.ts';
import { Refusal } from '#simulators/scim/refusal.ts';
import type { Directory } from '#simulators/scim/resources.ts';
import { type Account, type Accounts, productsOf } from './accounts.ts';
import { addressOf, type Linking } from './linking.ts';

export interface Organisation {
  organisationId: string;
  directoryId: string;
  accounts: Accounts;
  linking: Linking;
  directory: Directory;
  now: () => Date;
  origin: () => string;
  /** Something was changed. */
  changed: () => void;
}

type Route = [method: string, pattern: string, answer: (call: Call) => Answer];
interface Call extends Organisation {
  exchange: Exchange;
  at: Record<string, string>;
}

const nothing: Answer = { status: 204, headers: {} };
const org = '/admin/v2/orgs/:org';
const users = `${org}/directories/:directory/users`;
const helper = '/admin/user-provisioning/v1/org/:org';

// Paths: facts.domains, facts.invite, facts.directoryUsers, facts.helpers, facts.lifecycle.
const routes: readonly Route[] = [
  ['GET', '/admin/v1/orgs', listOrganisations],
  ['GET', '/admin/v1/orgs/:org/domains', listDomains],
  ['POST', '/admin/v1/orgs/:org/users/invite', endedInvite],
  ['POST', `${org}/users/invite`, invite],
  ['GET', users, (call) => page(call, call.accounts.list().filter(isThere).map(userOf))],
  ['POST', `${users}/search`, searchUsers],
  ['GET', `${users}/:account`, (call) => jsonAnswer(200, { data: userOf(accountAt(call)) })],
  ['DELETE', `${users}/:account`, removeUser],
  ['POST', `${users}/:account/suspend`, (call) => suspend(call, true)],
  ['POST', `${users}/:account/restore`, (call) => suspend(call, false)],
  ['POST', '/users/:account/manage/lifecycle/:act', changeLife],
  ['PUT', '/users/:account/manage/email', changeEmail],
  ['DELETE', `${helper}/user/:account/onlyDeleteUserInDB`, deleteRecords],
  [
    'GET',
    `${helper}/user/:account/get-scim-links`,
    (call) => jsonAnswer(200, { data: linksOf(call, accountAt(call)) }),
  ],
  ['POST', `${helper}/get-scim-links-for-email`, linksForEmail],
  ['PATCH', `${helper}/scimDirectoryId/:directory/scimUserId/:user/unlink`, unlink],
];

/** Answers a request to the organisation API. Throws Refusal. */
export function answerOrganisation(organisation: Organisation, exchange: Exchange): Handled {
  let known = false;
  for (const [method, pattern, answer] of routes) {
    const at = match(pattern, exchange.segments);
    if (!at || (pattern.endsWith('/:account') && at.account === 'search')) continue;
    known = true;
    if (method !== exchange.method) continue;
    if ((at.org ?? organisation.organisationId) !== organisation.organisationId)
      throw new Refusal(404, 'There is no such organisation.');
    if ((at.directory ?? organisation.directoryId) !== organisation.directoryId)
      throw new Refusal(404, 'There is no such directory.');
    const given = answer({ ...organisation, exchange, at });
    if (method !== 'GET') organisation.changed();
    return { answer: given };
  }
  throw new Refusal(
    known ? 405 : 404,
    known ? `${exchange.method} is not possible here.` : 'There is no such endpoint.',
  );
}

/** The organisation API writes errors in its own way (form assumed). */
export function organisationError(refusal: Refusal): Answer {
  const codes: Record<number, string> = {
    401: 'UNAUTHORIZED',
    404: 'NOT_FOUND',
    409: 'CONFLICT',
    429: 'TOO_MANY_REQUESTS',
  };
  const code = codes[refusal.status] ?? 'BAD_REQUEST';
  return jsonAnswer(refusal.status, {
    errors: [{ status: String(refusal.status), code, title: refusal.message }],
  });
}

function match(pattern: string, segments: readonly string[]): Record<string, string> | undefined {
  const parts = pattern.split('/').slice(1);
  if (parts.length !== segments.length) return undefined;
  const fits = parts.every((part, index) => part.startsWith(':') || part === segments[index]);
  const named = parts.flatMap((part, index) =>
    part.startsWith(':') ? [[part.slice(1), segments[index]]] : [],
  );
  return fits ? (Object.fromEntries(named) as Record<string, string>) : undefined;
}

const isThere = (account: Account) => account.inOrganisation && !account.deletedAt;

function accountAt({ at, accounts }: Call): Account {
  const account = accounts.byId(at.account ?? '');
  if (!account?.inOrganisation) throw new Refusal(404, 'There is no such account.');
  return account;
}

function managedAt(call: Call): Account {
  const account = accountAt(call);
  if (!account.managed) throw new Refusal(403, 'This account is not managed by the organisation.');
  return account;
}

function page(call: Call, all: readonly unknown[]): Answer {
  const { query, path } = call.exchange;
  const limit = Math.min(Math.max(1, Number(query.get('limit') ?? 50) || 50), 100);
  const cursor = query.get('cursor');
  const from =
    cursor === null ? 0 : Number(/^from:(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]);
  if (!Number.isInteger(from)) throw new Refusal(400, 'The cursor is not one of ours.');
  const next = Buffer.from(`from:${from + limit}`).toString('base64url');
  const links: Record<string, string> = { self: call.origin() + path };
  if (from + limit < all.length) links.next = `${call.origin()}${path}?cursor=${next}&limit=${limit}`;
  return jsonAnswer(200, { data: all.slice(from, from + limit), links });
}

function listOrganisations(call: Call): Answer {
  const attributes = { name: 'Simulated organisation' };
  return page(call, [{ id: call.organisationId, type: 'orgs', attributes }]);
}

function listDomains(call: Call): Answer {
  const list = call.accounts.domains().map(({ name, state }) => ({
    id: Buffer.from(name).toString('base64url'),
    type: 'domain',
    attributes: { name, claim: { type: 'dns', status: state.toLowerCase() } },
  }));
  return page(call, list);
}

/** Members are assumed; facts.directoryUsers. */
function userOf(account: Account) {
  return {
    accountId: account.aaid,
    accountType: 'atlassian',
    accountStatus: account.active ? 'active' : 'inactive',
    status: account.suspended ? 'suspended' : 'active',
    claimStatus: account.managed ? 'managed' : 'unmanaged',
    name: account.name,
    nickname: account.profile.nickName ?? account.name,
    email: account.email,
    productAccess: productsOf(account),
    addedToOrg: account.arrived,
  };
}

function objectOf(call: Call): Record<string, unknown> {
  const body = readJson(call.exchange);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Refusal(400, 'The body must be a JSON object.');
  return body as Record<string, unknown>;
}

function textsIn(body: Record<string, unknown>, name: string): string[] {
  const list = body[name] ?? [];
  if (!Array.isArray(list) || list.some((one) => typeof one !== 'string'))
    throw new Refusal(400, `${name} must be a list of texts.`);
  return list as string[];
}

function searchUsers(call: Call): Answer {
  const body = objectOf(call);
  const ids = textsIn(body, 'accountIds');
  const emails = textsIn(body, 'emails').map((one) => one.toLowerCase());
  const wanted = ({ aaid, email }: Account) =>
    (ids.length === 0 && emails.length === 0) || ids.includes(aaid) || emails.includes(email.toLowerCase());
  return page(call, call.accounts.list().filter(isThere).filter(wanted).map(userOf));
}

function endedInvite(): Answer {
  throw new Refusal(410, 'This form of invitation ended after 30 June 2026. Use /admin/v2.');
}

function invite(call: Call): Answer {
  const body = objectOf(call);
  const emails = textsIn(body, 'emails');
  const groups = textsIn(body, 'additionalGroups');
  const rules = (body.permissionRules ?? []) as { resource?: string }[];
  if (emails.length === 0 || emails.some((one) => !/^[^@\s]+@[^@\s]+$/.test(one)))
    throw new Refusal(400, 'emails must hold one address at least, and addresses only.');
  if (!Array.isArray(rules)) throw new Refusal(400, 'permissionRules must be a list.');
  const unknown = groups.find((id) => !call.directory.find('Group', id));
  if (unknown !== undefined) throw new Refusal(400, `There is no group ${unknown}.`);
  const products = rules.map(
    ({ resource }) => /^ari:cloud:([a-z-]+):/.exec(resource ?? '')?.[1] ?? 'unknown',
  );
  const data = emails.map((email) => {
    const account = call.accounts.byEmail(email);
    if (!account) {
      call.accounts.invite(email, 'organisation', products);
      return { email, status: 'invited' };
    }
    account.inOrganisation = true;
    account.invitedTo = [...new Set([...account.invitedTo, ...products])];
    account.groups = [...new Set([...account.groups, ...groups])];
    return { email, accountId: account.aaid, status: 'added' };
  });
  return jsonAnswer(200, { data });
}

function removeUser(call: Call): Answer {
  const account = accountAt(call);
  Object.assign(account, { inOrganisation: false, groups: [], invitedTo: [] });
  return nothing;
}

function suspend(call: Call, suspended: boolean): Answer {
  accountAt(call).suspended = suspended;
  return nothing;
}

function changeLife(call: Call): Answer {
  const account = managedAt(call);
  const acts: Record<string, () => void> = {
    disable: () => Object.assign(account, { active: false }),
    enable: () => Object.assign(account, { active: true }),
    delete: () => Object.assign(account, { active: false, deletedAt: call.now().toISOString() }),
    'cancel-delete': () => Object.assign(account, { active: true, deletedAt: undefined }),
  };
  const act = Object.hasOwn(acts, call.at.act ?? '') ? acts[call.at.act as string] : undefined;
  if (!act) throw new Refusal(404, 'There is no such endpoint.');
  act();
  return nothing;
}

function changeEmail(call: Call): Answer {
  const account = managedAt(call);
  const { email } = objectOf(call);
  if (typeof email !== 'string' || !call.accounts.manages(email))
    throw new Refusal(400, 'email must be an address on a verified domain.');
  const holder = call.accounts.byEmail(email);
  if (holder && holder.aaid !== account.aaid)
    throw new Refusal(409, 'The address belongs to another account.');
  call.accounts.move(account, email);
  return nothing;
}

function deleteRecords(call: Call): Answer {
  const account = managedAt(call);
  for (const id of call.linking.recordsOf(account.aaid)) {
    const record = call.directory.find('User', id);
    if (record) call.directory.erase(record);
    call.linking.forget(id);
  }
  account.groups = [];
  return nothing;
}

function linksOf(call: Call, account: Account) {
  return call.linking.recordsOf(account.aaid).map((scimUserId) => ({
    scimDirectoryId: call.directoryId,
    scimUserId,
    atlassianAccountId: account.aaid,
    email: addressOf(call.directory.find('User', scimUserId)?.body ?? {}) ?? null,
  }));
}

function linksForEmail(call: Call): Answer {
  const { email } = objectOf(call);
  if (typeof email !== 'string') throw new Refusal(400, 'email must be a text.');
  const account = call.accounts.byEmail(email);
  return jsonAnswer(200, { data: account ? linksOf(call, account) : [] });
}

function unlink(call: Call): Answer {
  const { user = '' } = call.at;
  if (!call.linking.accountOf(user)) throw new Refusal(404, 'This SCIM user has no link.');
  call.linking.part(user);
  return nothing;
}
