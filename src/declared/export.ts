/** The house as a file that `apply` takes back: no secrets, no passwords, and nothing that is as it would be anyway. */
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { aliasesAt } from '#core/aliases/aliases.ts';
import { type Application, applicationSettings, listApplications } from '#core/applications/applications.ts';
import { communitySettings, community as readCommunity } from '#core/community/community.ts';
import { type Group, groupsOf, listGroups } from '#core/groups/groups.ts';
import { listOperators } from '#core/operators/operators.ts';
import { type AttributeDeclaration, attributeDeclarations, attributesOf } from '#core/people/attributes.ts';
import { usernameKey } from '#core/people/names.ts';
import { displayNameOf, listAddresses, listPeople, type Person } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import { exportMail } from './mail.ts';
import { exportRelay } from './relay.ts';
import { declaredStates } from './schema.ts';
import { exportTargets } from './targets.ts';
import { exportUpstreams } from './upstreams.ts';

const pageSize = 1000;

/**
 * Writes what is declared and, on request, the people (whose data the file then holds).
 * Reads page by page; run it in one snapshot.
 */
export async function exportDeclared(tx: Tx, options: { people?: boolean } = {}): Promise<string> {
  const applications = await listApplications(tx);
  const house = {
    community: differing(await readCommunity(tx), communitySettings.parse({})),
    attributes: (await attributeDeclarations(tx)).map(exportAttribute),
    applications: applications.map(exportApplication),
    targets: await exportTargets(tx, differing),
    upstreams: await exportUpstreams(tx, differing),
    relay: await exportRelay(tx, differing),
    mail: await exportMail(tx),
    groups: (await allGroups(tx)).map(exportGroup),
    people: options.people ? await exportPeople(tx, applications) : [],
  };
  const filled = Object.entries(house).filter(([, value]) => Object.keys(value).length > 0);
  return stringify(Object.fromEntries(filled), { lineWidth: 110, aliasDuplicateObjects: false });
}

/** The keys whose values are not what they would be without saying so. */
function differing(value: object, usual: object): Record<string, unknown> {
  const before = usual as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(value).filter(([key, one]) => !isDeepStrictEqual(one, before[key])),
  );
}

function exportAttribute(one: AttributeDeclaration): object {
  const usual = { visible: 'self', editable: 'self', signUp: false, required: false, releasedTo: [] };
  return differing(one, usual);
}

function exportApplication({ id, settings }: Application): object {
  const usual = applicationSettings.parse({ title: 'x', oidc: { redirectUris: ['https://x.test/'] } });
  const { oidc, ...rest } = settings;
  const { title: _, ...usualRest } = usual;
  const { redirectUris: __, ...usualOidc } = usual.oidc ?? {};
  return {
    id,
    ...differing(rest, usualRest),
    ...(oidc && { oidc: differing(oidc, usualOidc) }),
  };
}

function exportGroup(group: Group): object {
  return differing(
    { name: group.name, title: group.title, description: group.description },
    { title: '', description: '' },
  );
}

async function allGroups(tx: Tx): Promise<Group[]> {
  const groups: Group[] = [];
  for (;;) {
    const page = await listGroups(tx, { after: groups.at(-1)?.name, limit: pageSize });
    groups.push(...page);
    if (page.length < pageSize) return groups;
  }
}

async function exportPeople(tx: Tx, applications: readonly Application[]): Promise<object[]> {
  const operators = Map.groupBy(await listOperators(tx), (one) => one.person);
  const written: object[] = [];
  for (let after: string | undefined; ; ) {
    const page = await listPeople(tx, { after, limit: pageSize });
    const last = page.at(-1);
    if (!last) return written;
    after = usernameKey(last.username);
    const people = page.filter((one) => (declaredStates as readonly string[]).includes(one.state));
    const ids = people.map((one) => one.id);
    const addresses = Map.groupBy(await listAddresses(tx, ids), (one) => one.person);
    const groups = await groupsOf(tx, ids);
    const attributes = await attributesOf(tx, ids);
    const aliases = await Promise.all(
      applications.map(async ({ id }) => [id, await aliasesAt(tx, id, ids)] as const),
    );
    for (const person of people) {
      const own = aliases.flatMap(([id, names]) =>
        names.has(person.id) ? [[id, names.get(person.id)]] : [],
      );
      const role = operators.get(person.id)?.[0];
      written.push({
        ...exportPerson(person),
        addresses: (addresses.get(person.id) ?? []).map((one) =>
          one.verifiedAt ? one.address : { address: one.address, verified: false },
        ),
        groups: (groups.get(person.id) ?? []).map((one) => one.name),
        attributes: attributes.get(person.id),
        aliases: own.length > 0 ? Object.fromEntries(own) : undefined,
        operator: role && (role.application ? { role: role.role, application: role.application } : role.role),
      });
    }
  }
}

function exportPerson(person: Person): object {
  const { givenName, familyName, displayName } = person;
  return {
    username: person.username,
    names: {
      ...differing({ givenName, familyName }, { givenName: '', familyName: '' }),
      ...(displayName === displayNameOf(person) ? {} : { displayName }),
    },
    locale: person.locale,
    state: person.state === 'active' ? undefined : person.state,
  };
}
