import { createLog } from '#kit/log/log.ts';
import type { Value } from '#provisioning/connector.ts';
import { startScimSimulator } from '#simulators/scim/scim.ts';
import { connectorSuite, type Stage } from '../../../test/conformance/connector.ts';
import { scimConnector } from './scim.ts';

/** Every attribute of the n-th person. */
export function everyAttribute(n: number): Record<string, Value> {
  return {
    userName: `person${n}`,
    email: `person${n}@people.example`,
    displayName: `Person ${n} Ωmega "quoted"`,
    givenName: `Given${n}`,
    familyName: `O'Family ${n}`,
    formattedName: `Given Family ${n}`,
    nickName: `Nick${n}`,
    title: `Title ${n}`,
    userType: `type${n}`,
    preferredLanguage: n % 2 ? 'de' : 'pt-BR',
    locale: n % 2 ? 'de-DE' : 'en-US',
    timezone: n % 2 ? 'Europe/Berlin' : 'Africa/Nairobi',
    phone: `+49 30 ${1000 + n}`,
    roles: [`role${n}`],
    employeeNumber: `${n}`,
    organization: `Organisation ${n}`,
    division: `Division ${n}`,
    department: `Department ${n}`,
  };
}

async function startSimulator(options: object, uniqueExternalId = false): Promise<Stage> {
  const simulator = await startScimSimulator({ log: createLog({ level: 'silent' }), uniqueExternalId });
  return {
    options: { baseUrl: simulator.url, ...options },
    credentials: { token: simulator.token },
    attributes: everyAttribute,
    stop: () => simulator.stop(),
  };
}

const small = { pageSize: 3, membersBatch: 2 };
for (const options of [{}, { updateBy: 'put' }, { removeMembers: 'value', contentType: 'application/json' }])
  connectorSuite({
    title: `scim ${JSON.stringify(options)}`,
    connector: scimConnector,
    small,
    start: () => startSimulator(options),
  });
