/** Compares a live SCIM target with its profile: reading only, or with a named test account also writing. */
import { newId } from '#kit/crypto/ids.ts';
import { type Desired, type Finding, Stop } from '#provisioning/connector.ts';
import type { Accounts } from './accounts.ts';
import { type Dialect, type Facts, readSelfDescription } from './dialect.ts';
import { type Exchange, isObject, own } from './exchange.ts';
import { createGroups, type Groups } from './groups.ts';
import { resourcesOf } from './paging.ts';

export interface CheckInput {
  exchange: Exchange;
  dialect: Dialect;
  facts: Facts;
  accounts: Accounts;
  groups: Groups;
}

export const finding = (fact: string, expected: unknown, found: unknown): Finding => ({
  fact,
  expected: String(expected),
  found: String(found),
  same: String(expected) === String(found),
});

/** What can be told without changing anything. */
export async function readChecks(input: CheckInput): Promise<Finding[]> {
  return [
    ...(await describedChecks(input)),
    ...(await schemaChecks(input)),
    ...(await pagingChecks(input)),
    ...(await filterChecks(input)),
  ];
}

async function describedChecks({ exchange, facts }: CheckInput): Promise<Finding[]> {
  const response = await exchange.send({
    method: 'GET',
    path: ['ServiceProviderConfig'],
    take: [400, 404, 405, 501],
  });
  if (!isObject(response.json) || response.status >= 400) {
    return [{ ...finding('serviceProviderConfig', 'there', `absent (${response.status})`), same: true }];
  }
  const said = readSelfDescription(response.json);
  const findings: Finding[] = [];
  if (said.patch !== null && facts.updateBy === 'patch') {
    findings.push(finding('updateBy', 'patch', said.patch ? 'patch' : 'put'));
  }
  if (said.filter !== null) findings.push(finding('filter', true, said.filter));
  if (said.etag !== null) {
    const found = said.etag ? 'versions are given' : 'no versions';
    findings.push({ fact: 'ifMatch', expected: String(facts.ifMatch), found, same: true });
  }
  if (said.cursor || facts.paging === 'cursor') {
    const able = said.cursor ? (said.index ? 'index and cursor' : 'cursor') : 'index';
    findings.push({
      fact: 'paging',
      expected: String(facts.paging),
      found: able,
      same: facts.paging !== 'cursor' || said.cursor,
    });
  }
  const most = said.maxResults ?? said.maxPageSize;
  if (most !== null) {
    findings.push({
      fact: 'pageSize',
      expected: String(facts.pageSize),
      found: `at most ${most}`,
      same: most >= Number(facts.pageSize),
    });
  }
  return findings;
}

/** Attributes we send by default must be in the target's schema, where it shows one. */
async function schemaChecks({ exchange, dialect }: CheckInput): Promise<Finding[]> {
  const response = await exchange.send({ method: 'GET', path: ['Schemas'], take: [400, 404, 405, 501] });
  if (!isObject(response.json) || response.status >= 400) return [];
  const known = new Set<string>();
  for (const schema of resourcesOf(response.json)) {
    const attributes = own(schema, 'attributes');
    for (const attribute of Array.isArray(attributes) ? attributes : []) {
      const name = isObject(attribute) ? own(attribute, 'name') : undefined;
      if (typeof name === 'string') known.add(name.toLowerCase());
    }
  }
  if (known.size === 0) return [];
  return dialect.fields
    .filter(({ spec }) => spec.mapping !== undefined)
    .map(({ spec, path }) => {
      const top = /^urn:/i.test(path[0]!) ? path[1]! : path[0]!;
      return finding(
        `attribute ${spec.name}`,
        'in the schema',
        known.has(top.toLowerCase()) ? 'in the schema' : 'not in the schema',
      );
    });
}

async function pagingChecks({ exchange, dialect }: CheckInput): Promise<Finding[]> {
  if (dialect.paging !== 'index') return [];
  const query = { startIndex: '1', count: String(dialect.pageSize) };
  const json = await exchange.object({ method: 'GET', path: ['Users'], query });
  const came = resourcesOf(json).length;
  const told = own(json, 'itemsPerPage');
  const total = Number(own(json, 'totalResults'));
  const findings: Finding[] = [];
  if (Number.isSafeInteger(total)) {
    const expected = Math.min(total, dialect.pageSize);
    findings.push(
      finding('pageSize', `${expected} accounts on the first page`, `${came} accounts on the first page`),
    );
  } else findings.push(finding('totalResults', 'a number', typeof own(json, 'totalResults')));
  if (told !== undefined) findings.push(finding('itemsPerPage', came, told));
  if (came > 1) {
    const second = await exchange.object({
      method: 'GET',
      path: ['Users'],
      query: { startIndex: '2', count: '1' },
    });
    const [again] = resourcesOf(second);
    const same = again !== undefined && own(again, 'id') === own(resourcesOf(json)[1]!, 'id');
    findings.push(finding('order', 'the same on every page', same ? 'the same on every page' : 'it changes'));
  }
  return findings;
}

async function filterChecks({ exchange, dialect }: CheckInput): Promise<Finding[]> {
  const nobody = `nobody-${newId()}`;
  const findings: Finding[] = [];
  const ask = async (endpoint: string, attribute: string, fact: string, expected: boolean) => {
    const filter = `${attribute} eq ${JSON.stringify(nobody)}`;
    const response = await exchange.send({
      method: 'GET',
      path: [endpoint],
      query: { filter },
      take: [400, 405, 501],
    });
    const empty = response.status < 400 && isObject(response.json) && resourcesOf(response.json).length === 0;
    const found = response.status >= 400 ? `refused (${response.status})` : empty ? 'taken' : 'ignored';
    findings.push(finding(`${fact} ${attribute}`, expected ? 'taken' : 'refused (400)', found));
  };
  for (const by of ['externalId', 'userName', 'email'] as const)
    await ask('Users', by === 'email' ? 'emails.value' : by, 'filters', dialect.filters.includes(by));
  for (const by of ['externalId', 'displayName'] as const)
    await ask('Groups', by, 'groupFilters', dialect.groupFilters.includes(by));
  return findings;
}

/** What creating the test account says, and in which words. */
export interface Creation {
  fact: string;
  expected: string;
  taken: string;
  refused: string;
}

export const plainCreation: Creation = {
  fact: 'create',
  expected: 'taken',
  taken: 'taken',
  refused: 'refused',
};

/**
 * Makes the named test account and a group, tries what the profile says of writing, and takes both away again.
 * Throws Stop('refused') when an account of that name is there: an account in use is never a test account.
 */
export async function writeChecks(
  input: CheckInput,
  desired: Desired,
  creation: Creation = plainCreation,
): Promise<Finding[]> {
  const { accounts, facts } = input;
  const present = await accounts.find(desired);
  if (present.length > 0) {
    throw new Stop(
      'refused',
      'There is an account of that name at the target already. Name one that nobody uses: it is deleted in the end.',
    );
  }
  const findings: Finding[] = [];
  const { fact, expected } = creation;
  const made = await accounts.apply({ do: 'create', desired }).catch((error: unknown) => {
    if (!(error instanceof Stop) || error.holdsTarget) throw error;
    return error;
  });
  if (made instanceof Stop)
    return [{ ...finding(fact, expected, creation.refused), found: `${creation.refused}: ${made.message}` }];
  if (!made) throw new Stop('refused', 'The target did not say what became of the test account.');
  try {
    findings.push(finding(fact, expected, creation.taken));
    findings.push(await doubleCheck(input, desired));
    findings.push(...(await groupChecks(input, made.id)));
    await accounts.apply({ do: 'deactivate', id: made.id, desired });
    const inactive = await accounts.read(made.id);
    findings.push(
      finding('deactivate', 'inactive', inactive ? (inactive.active ? 'active' : 'inactive') : 'gone'),
    );
  } finally {
    await input.exchange.send({ method: 'DELETE', path: ['Users', made.id], take: [404, 405, 410, 501] });
  }
  findings.push(
    finding('deleteMeaning', facts.deleteMeaning, await meaningOfDelete(input, desired, made.id)),
  );
  return findings;
}

/** An id that is not known any more may hide a record that is kept: making the account again tells. */
async function meaningOfDelete(
  { accounts, exchange }: CheckInput,
  desired: Desired,
  id: string,
): Promise<string> {
  const left = await accounts.read(id);
  if (left) return left.active ? 'still active' : 'inactive';
  const again = await accounts.apply({ do: 'create', desired }).catch((error: unknown) => {
    if (error instanceof Stop && error.code === 'clash') return undefined;
    throw error;
  });
  if (!again) return 'inactive';
  await accounts.apply({ do: 'deactivate', id: again.id, desired });
  await exchange.send({ method: 'DELETE', path: ['Users', again.id], take: [404, 405, 410, 501] });
  return again.id === id ? 'inactive' : 'gone';
}

async function doubleCheck({ accounts, exchange }: CheckInput, desired: Desired): Promise<Finding> {
  try {
    const second = await accounts.apply({ do: 'create', desired });
    if (second)
      await exchange.send({ method: 'DELETE', path: ['Users', second.id], take: [404, 405, 410, 501] });
    return finding('create twice', 'clash', 'taken twice');
  } catch (error) {
    return finding('create twice', 'clash', error instanceof Stop ? error.code : 'failed');
  }
}

async function groupChecks({ dialect, exchange, groups }: CheckInput, member: string): Promise<Finding[]> {
  const name = `gatehouse-check-${newId()}`;
  const group = await groups.applyGroup({ do: 'create-group', name, externalId: name });
  if (!group) return [finding('create group', 'taken', 'not told')];
  const findings: Finding[] = [];
  try {
    await groups.applyGroup({ do: 'add-members', id: group.id, members: [member] });
    const filled = await groups.readGroup(group.id);
    if (dialect.membersTold) {
      findings.push(
        finding(
          'membersTold',
          'member is there',
          filled?.members?.includes(member) ? 'member is there' : 'member is not told',
        ),
      );
    }
    findings.push(await removeCheck(dialect, groups, group.id, member));
    const trying = createGroups(exchange, { ...dialect, renameGroup: true });
    findings.push(await renameCheck(trying, group.id, name, dialect.renameGroup));
  } finally {
    await groups.applyGroup({ do: 'delete-group', id: group.id });
  }
  return findings;
}

async function removeCheck(dialect: Dialect, groups: Groups, id: string, member: string): Promise<Finding> {
  const wanted = `${dialect.removeMembers} works`;
  try {
    await groups.applyGroup({ do: 'remove-members', id, members: [member] });
  } catch (error) {
    return finding(
      'removeMembers',
      wanted,
      error instanceof Stop ? `${dialect.removeMembers} is refused` : 'failed',
    );
  }
  const now = await groups.readGroup(id);
  return finding(
    'removeMembers',
    wanted,
    now?.members?.includes(member) ? `${dialect.removeMembers} does nothing` : wanted,
  );
}

async function renameCheck(groups: Groups, id: string, name: string, expected: boolean): Promise<Finding> {
  let found = false;
  try {
    await groups.applyGroup({ do: 'rename-group', id, name: `${name}-renamed` });
    found = (await groups.readGroup(id))?.name === `${name}-renamed`;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  return finding('renameGroup', expected, found);
}
