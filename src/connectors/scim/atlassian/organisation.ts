/** The organisation's own interface beside the directory: domains, invitations, links between records and accounts. */

import { createExchange, type Exchange, isObject, type Json, own } from '#connectors/scim/exchange.ts';
import { type Opening, type RecordHelp, type RecordLink, Retry, Stop } from '#provisioning/connector.ts';
import type { Domain, DomainState } from './domains.ts';
import type { AtlassianOptions } from './options.ts';

export interface Organisation extends Omit<RecordHelp, 'forget'> {
  domains(): Promise<Domain[]>;
  /** Invites one address to the products and groups of the options. Inviting again is harmless. */
  invite(email: string): Promise<undefined>;
}

const mostPages = 100;

/** For operators and for the connector. Throws Stop('impossible') where the key or the organisation's id is missing. */
export function openOrganisation(opening: Opening<AtlassianOptions>): Organisation {
  const { options, credentials } = opening;
  const { orgId } = options;
  const key = credentials.organisationKey;
  if (!key || !orgId)
    throw new Stop('impossible', 'This needs the organisation key and the id of the organisation.');
  const exchange = createExchange({
    base: new URL(options.apiUrl),
    authorization: () => `Bearer ${key}`,
    contentType: 'application/json',
    secrets: [key],
    call: opening.call,
  });
  const provisioning = ['admin', 'user-provisioning', 'v1', 'org', orgId];
  const links = async (message: Parameters<Exchange['send']>[0]) =>
    linksIn((await exchange.send(message)).json);
  return {
    domains: () => readDomains(exchange, orgId),
    invite: async (email) => {
      const body = {
        emails: [email],
        permissionRules: options.products,
        ...(options.additionalGroups.length > 0 ? { additionalGroups: options.additionalGroups } : {}),
        sendNotification: options.sendNotification,
        ...(options.notificationText ? { notificationText: options.notificationText } : {}),
      };
      await exchange.send({ method: 'POST', path: ['admin', 'v2', 'orgs', orgId, 'users', 'invite'], body });
      return undefined;
    },
    linksOf: (accountId) =>
      links({ method: 'GET', path: [...provisioning, 'user', accountId, 'get-scim-links'] }),
    linksForEmail: (email) =>
      links({
        method: 'POST',
        path: [...provisioning, 'get-scim-links-for-email'],
        body: { email },
        kind: 'read',
      }),
    unlink: async (directoryId, scimUserId) => {
      const path = [...provisioning, 'scimDirectoryId', directoryId, 'scimUserId', scimUserId, 'unlink'];
      await exchange.send({ method: 'PATCH', path });
    },
    deleteRecords: async (accountId) => {
      await exchange.send({
        method: 'DELETE',
        path: [...provisioning, 'user', accountId, 'onlyDeleteUserInDB'],
        take: [404],
      });
    },
  };
}

async function readDomains(exchange: Exchange, orgId: string): Promise<Domain[]> {
  const domains: Domain[] = [];
  const used = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < mostPages; page += 1) {
    const json = await exchange.object({
      method: 'GET',
      path: ['admin', 'v1', 'orgs', orgId, 'domains'],
      ...(cursor === undefined ? {} : { query: { cursor } }),
    });
    const data = own(json, 'data');
    if (!Array.isArray(data))
      throw new Retry('Atlassian answered the list of domains with something that is not a list.');
    for (const entry of data.filter(isObject)) domains.push(...domainIn(entry));
    cursor = nextCursor(json);
    if (cursor === undefined || used.has(cursor)) return domains;
    used.add(cursor);
  }
  return domains;
}

function domainIn(entry: Json): Domain[] {
  const attributes = own(entry, 'attributes');
  const name = isObject(attributes) ? own(attributes, 'name') : undefined;
  const claim = isObject(attributes) ? own(attributes, 'claim') : undefined;
  const status = isObject(claim) ? own(claim, 'status') : undefined;
  if (typeof name !== 'string' || name === '') return [];
  return [{ name: name.toLowerCase(), state: stateOf(status) }];
}

function stateOf(status: unknown): DomainState {
  if (typeof status !== 'string') return 'unverified';
  if (/unclaimed/i.test(status)) return 'unclaimed';
  return /^verified$/i.test(status) ? 'verified' : 'unverified';
}

/** The cursor out of `links.next`: an address or the cursor alone. Only the cursor is used, never the address. */
function nextCursor(json: Json): string | undefined {
  const links = own(json, 'links');
  const next = isObject(links) ? own(links, 'next') : undefined;
  if (typeof next !== 'string' || next === '') return undefined;
  const base = URL.parse(next, 'https://api.atlassian.com');
  return base?.searchParams.get('cursor') ?? (/[/?]/.test(next) ? undefined : next);
}

function linksIn(json: unknown): RecordLink[] {
  const list = isObject(json) ? (own(json, 'data') ?? own(json, 'links') ?? own(json, 'scimLinks')) : json;
  if (!Array.isArray(list)) return [];
  const text = (entry: Json, ...names: string[]) =>
    names.map((name) => own(entry, name)).find((value) => typeof value === 'string');
  return list.filter(isObject).map((entry) => {
    const directoryId = text(entry, 'scimDirectoryId', 'directoryId');
    const scimUserId = text(entry, 'scimUserId', 'userId', 'id');
    const email = text(entry, 'email');
    return {
      ...(directoryId ? { directoryId } : {}),
      ...(scimUserId ? { scimUserId } : {}),
      ...(email ? { email } : {}),
    } as RecordLink;
  });
}
