/** What the control address of this double knows beyond the generic one: accounts, domains, invitations, switches. */
import { type Answer, type Exchange, jsonAnswer, readJson } from '#simulators/scim/exchange.ts';
import { type Account, type Accounts, type DomainState, domainStates } from './accounts.ts';
import type { Linking, Switches } from './linking.ts';

const choices: { [Name in keyof Switches]: readonly Switches[Name][] } = {
  deleteMeaning: ['remove', 'deactivate'],
  foreignDomains: ['accept', 'refuse'],
};

/** Undefined when there is no such address. Throws RangeError for what cannot be meant. */
export function controlAccounts(input: {
  exchange: Exchange;
  name: string;
  accounts: Accounts;
  linking: Linking;
  switches: Switches;
  seen: (account: Account) => unknown;
  changed: () => void;
}): Answer | undefined {
  const { exchange, accounts, linking, seen } = input;
  const action = exchange.segments.length === 2 ? `${exchange.method} ${input.name}` : '';
  if (exchange.method !== 'GET') input.changed();
  switch (action) {
    case 'GET accounts':
      return jsonAnswer(200, accounts.list().map(seen));
    case 'POST accounts':
      return jsonAnswer(201, seen(accounts.add({ ...addressed(exchange, accounts), by: 'before' })));
    case 'GET invitations':
      return jsonAnswer(200, accounts.invitations());
    case 'POST sign-up':
      return jsonAnswer(201, seen(linking.signUp(...signUpOf(exchange))));
    case 'GET domains':
      return jsonAnswer(200, accounts.domains());
    case 'PUT domains':
      linking.setDomain(...domainOf(exchange));
      return jsonAnswer(200, accounts.domains());
    case 'PUT switches':
      setSwitches(input.switches, textsOf(exchange));
      return jsonAnswer(200, input.switches);
    default:
      return undefined;
  }
}

function textsOf(exchange: Exchange): Record<string, string> {
  const body = readJson(exchange);
  const texts =
    typeof body === 'object' && body !== null && Object.values(body).every((one) => typeof one === 'string');
  if (!texts) throw new RangeError('The body must be an object of texts.');
  return body as Record<string, string>;
}

function emailOf(exchange: Exchange): { email: string; name: string } {
  const { email = '', name = email } = textsOf(exchange);
  if (!/^[^@\s]+@[^@\s]+$/.test(email)) throw new RangeError('email must be an address.');
  return { email, name };
}

function addressed(exchange: Exchange, accounts: Accounts): { email: string; name: string } {
  const given = emailOf(exchange);
  if (accounts.byEmail(given.email)) throw new RangeError('There is an account on this address already.');
  return given;
}

function signUpOf(exchange: Exchange): [email: string, name: string] {
  const { email, name } = emailOf(exchange);
  return [email, name];
}

function domainOf(exchange: Exchange): [name: string, state: DomainState] {
  const { name = '', state = '' } = textsOf(exchange);
  if (!name || !domainStates.includes(state as DomainState))
    throw new RangeError(`A domain has a name and a state: ${domainStates.join(', ')}.`);
  return [name, state as DomainState];
}

function setSwitches(switches: Switches, given: Record<string, string>): void {
  for (const [name, value] of Object.entries(given)) {
    const known = Object.hasOwn(choices, name)
      ? (choices[name as keyof Switches] as readonly string[])
      : undefined;
    if (!known?.includes(value))
      throw new RangeError(
        `Switches are deleteMeaning (remove, deactivate) and foreignDomains (accept, refuse).`,
      );
  }
  Object.assign(switches, given);
}
