/** The part of a plan that is about people: who joins, and what changes for those who are here. */
import { onAliasDomain } from '#core/community/alias-domains.ts';
import { insertPasswords, passwordOf, setPassword } from '#core/credentials/credentials.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { type LeaveState, mayActivate, mayLeave } from '#core/lifecycle/lifecycle.ts';
import { keepAnOwner } from '#core/operators/operators.ts';
import {
  type AttributeDeclaration,
  attributeDeclarations,
  attributesOf,
  readAttributes,
  setAttributes,
} from '#core/people/attributes.ts';
import { parseAddress, usernameKey } from '#core/people/names.ts';
import {
  type Address,
  addAddress,
  changeNames,
  findByUsernames,
  listAddresses,
  makePrimary,
  type Person,
  takenUsernames,
  verifiedOwners,
  verifyAddress,
} from '#core/people/people.ts';
import { withdrawVerifications } from '#core/people/verifications.ts';
import { problems } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { ReadyPasswords } from './passwords.ts';
import { changedKeys, type Planning } from './plan.ts';
import type { DeclaredPerson } from './schema.ts';

/** Everyone the file names who is here already, by key of user name. */
export type KnownPeople = ReadonlyMap<string, Person>;

interface House {
  people: KnownPeople;
  addresses: Map<string, Address[]>;
  attributes: Map<string, Record<string, unknown>>;
  declarations: AttributeDeclaration[];
  passwords: ReadyPasswords;
}

/** What one person needs: words for the preview, and the steps behind them. */
interface Steps {
  words: string[];
  run: ((tx: Tx, id: string) => Promise<unknown>)[];
}

/** Plans everyone; returns who of the people named anywhere in the file is here already. */
export async function planPeople(
  tx: Tx,
  planning: Planning,
  passwords: ReadyPasswords,
): Promise<KnownPeople> {
  const { declared, plan } = planning;
  const given = declared.people ?? [];
  const members = (declared.groups ?? []).flatMap((group) => group.members ?? []);
  const people = await findByUsernames(tx, [...given.map((one) => one.username), ...members]);
  const ids = [...people.values()].map((person) => person.id);
  const addresses = Map.groupBy(await listAddresses(tx, ids), (address) => address.person);
  const attributes = await attributesOf(tx, ids);
  const declarations = [...(declared.attributes ?? []), ...(await attributeDeclarations(tx))];
  const house: House = { people, addresses, attributes, declarations, passwords };
  await findTaken(tx, planning, people);
  for (const [index, one] of given.entries()) {
    const person = people.get(usernameKey(one.username));
    checkAttributes(planning, house, one, index);
    if (!person) plan.changes.push(newcomer(house, one, index));
    else await planChange(tx, planning, house, { one, index, person });
  }
  return people;
}

/** Names and addresses that are someone else's. */
async function findTaken(tx: Tx, { declared, findings }: Planning, people: KnownPeople): Promise<void> {
  const given = declared.people ?? [];
  const keys = given.map((one) => usernameKey(one.username));
  const wanted = [
    ...given.flatMap((one) => one.addresses.map((each) => each.address.key)),
    ...keys.filter(isAddress),
  ];
  const owners = await verifiedOwners(tx, wanted);
  const aliases = await onAliasDomain(tx, wanted);
  const taken = await takenUsernames(tx, keys);
  for (const [index, one] of given.entries()) {
    const key = keys[index] ?? '';
    const self = people.get(key);
    const refuse = (path: readonly PropertyKey[], text: string) =>
      findings.push(declared.places.find(['people', index, ...path], text));
    if (!self && taken.has(key)) refuse(['username'], problems['username-taken']);
    if (owners.has(key) && owners.get(key) !== self?.id)
      refuse(['username'], 'is the confirmed address of someone else');
    for (const [at, each] of one.addresses.entries()) {
      const owner = owners.get(each.address.key);
      const isTheirs = owner !== undefined && owner === self?.id;
      if (aliases.has(each.address.key) && !isTheirs) refuse(['addresses', at], problems['address-ours']);
      if (each.verified && owner !== undefined && owner !== self?.id)
        refuse(['addresses', at], problems['address-taken']);
    }
  }
}

function isAddress(key: string): boolean {
  try {
    return parseAddress(key).key === key;
  } catch {
    return false;
  }
}

function checkAttributes(
  { declared, findings }: Planning,
  { declarations }: House,
  one: DeclaredPerson,
  index: number,
): void {
  const { problems: refused } = readAttributes(declarations, one.attributes ?? {}, 'operators');
  for (const [name, code] of Object.entries(refused))
    findings.push(declared.places.find(['people', index, 'attributes', name], problems[code]));
}

function newcomer(house: House, one: DeclaredPerson, index: number) {
  const { state = 'active' } = one;
  const phc = house.passwords.get(usernameKey(one.username));
  const later = state === 'suspended' || state === 'spam' ? state : undefined;
  const name = one.names.displayName ?? [one.names.givenName, one.names.familyName].filter(Boolean).join(' ');
  const main = one.addresses[0]?.address.address;
  return {
    text: `Add ${one.username}${name ? ` (${name})` : ''}${main ? ` with ${main}` : ''}${state === 'active' ? '' : `, ${state}`}`,
    path: ['people', index],
    async run(tx: Tx): Promise<void> {
      const id = await join(tx, {
        username: one.username,
        ...one.names,
        locale: one.locale,
        state: later ? 'active' : (state as 'unverified' | 'active' | 'locked' | 'left'),
        stateReason: state === 'locked' || state === 'left' ? 'apply' : undefined,
        origin: 'apply',
        addresses: one.addresses.map((each, at) => ({
          address: each.address.address,
          primary: at === 0,
          verified: each.verified,
        })),
        password: importedPassword(one),
      });
      if (phc) await setPassword(tx, id, phc, 'apply');
      if (one.attributes) await setAttributes(tx, id, one.attributes, 'operators');
      if (later) await leave(tx, id, later, 'apply');
    },
  };
}

function importedPassword(one: DeclaredPerson) {
  if (!one.passwordHash) return undefined;
  const { hash, scheme, fast } = one.passwordHash;
  return { hash, scheme, needsWrap: fast, imported: true };
}

async function planChange(
  tx: Tx,
  { declared, plan, findings }: Planning,
  house: House,
  { one, index, person }: { one: DeclaredPerson; index: number; person: Person },
): Promise<void> {
  const steps: Steps = { words: [], run: [] };
  planNames(one, person, steps);
  planAddresses(one, house.addresses.get(person.id) ?? [], steps);
  planAttributeValues(one, house, person, steps);
  await planPassword(tx, one, house, person, steps);
  const refused = planState(one, person, steps);
  if (refused) findings.push(declared.places.find(['people', index, 'state'], refused));
  if (steps.words.length === 0) return;
  plan.changes.push({
    text: `Change ${person.username}: ${steps.words.join(', ')}`,
    path: ['people', index],
    async run(inside) {
      for (const step of steps.run) await step(inside, person.id);
    },
  });
}

function planNames(one: DeclaredPerson, person: Person, steps: Steps): void {
  const wanted = { ...one.names, ...(one.locale === undefined ? {} : { locale: one.locale }) };
  const keys = Object.keys(wanted) as (keyof typeof wanted)[];
  const before = Object.fromEntries(keys.map((key) => [key, person[key]]));
  const changed = changedKeys(before, wanted);
  if (changed.length === 0) return;
  steps.words.push(...changed);
  steps.run.push((tx, id) => changeNames(tx, id, wanted));
}

function planAddresses(one: DeclaredPerson, known: readonly Address[], steps: Steps): void {
  for (const { address, verified } of one.addresses) {
    const mine = known.find((each) => each.key === address.key);
    if (!mine) steps.words.push(`address ${address.address}`);
    else if (verified && !mine.verifiedAt) steps.words.push(`${address.address} confirmed`);
    else continue;
    steps.run.push(async (tx, id) => {
      const added = await addAddress(tx, id, address.address);
      if (verified) await verifyAddress(tx, id, added.id);
    });
  }
  const main = one.addresses[0];
  const current = known.find((each) => each.primary);
  if (!main?.verified || !current || current.key === main.address.key) return;
  steps.words.push(`main address ${main.address.address}`);
  steps.run.push(async (tx, id) => makePrimary(tx, id, (await addAddress(tx, id, main.address.address)).id));
}

function planAttributeValues(one: DeclaredPerson, house: House, person: Person, steps: Steps): void {
  if (!one.attributes) return;
  const given = one.attributes;
  const before = house.attributes.get(person.id) ?? {};
  const { values } = readAttributes(house.declarations, given, 'operators');
  const changed = Object.keys(values).filter((name) => values[name] !== before[name]);
  if (changed.length === 0) return;
  steps.words.push(...changed.map((name) => `attribute ${name}`));
  steps.run.push((tx, id) => setAttributes(tx, id, given, 'operators'));
}

async function planPassword(
  tx: Tx,
  one: DeclaredPerson,
  house: House,
  person: Person,
  steps: Steps,
): Promise<void> {
  const phc = house.passwords.get(usernameKey(one.username));
  if (phc) {
    steps.words.push('password');
    steps.run.push(async (inside, id) => {
      await setPassword(inside, id, phc, 'apply');
      await endSessions(inside, id, 'password');
      await withdrawVerifications(inside, id, ['recovery']);
    });
  }
  const imported = importedPassword(one);
  if (imported && !(await passwordOf(tx, person.id))) {
    steps.words.push('password');
    steps.run.push((inside, id) => insertPasswords(inside, [{ person: id, ...imported }]));
  }
}

/** Returns why the state cannot be reached from the present one. */
function planState(one: DeclaredPerson, person: Person, steps: Steps): string | undefined {
  const { state } = one;
  if (state === undefined || state === person.state) return undefined;
  const possible =
    state === 'active' ? mayActivate(person.state) : mayLeave(person.state, state as LeaveState);
  if (state === 'unverified' || !possible) return `an account that is ${person.state} cannot become ${state}`;
  steps.words.push(`${person.state} → ${state}`);
  steps.run.push(async (tx, id) => {
    if (state === 'active') return activate(tx, id, 'apply');
    await keepAnOwner(tx, id);
    return leave(tx, id, state, 'apply');
  });
  return undefined;
}
