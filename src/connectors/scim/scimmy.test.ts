import assert from 'node:assert/strict';
import type { Value } from '#provisioning/connector.ts';
import { startScimmy } from '#test/peers/scimmy.ts';
import { connectorSuite, type Stage } from '../../../test/conformance/connector.ts';
import { scimConnector } from './scim.ts';

async function start(): Promise<Stage> {
  const { url, token, users, stop } = await startScimmy();
  return {
    options: { baseUrl: url },
    credentials: { token },
    attributes,
    stop: async () => {
      await stop();
      assert.ok(users.size > 0, 'the server was really used');
    },
  };
}

function attributes(n: number): Record<string, Value> {
  return {
    userName: `peer${n}`,
    email: `peer${n}@people.example`,
    displayName: `Peer ${n} "quoted"`,
    givenName: `Given${n}`,
    familyName: `O'Family ${n}`,
    formattedName: `Given Family ${n}`,
    nickName: `Nick${n}`,
    title: `Title ${n}`,
    userType: `type${n}`,
    preferredLanguage: n % 2 ? 'de' : 'pt-BR',
    locale: n % 2 ? 'de-DE' : 'en-US',
    timezone: n % 2 ? 'Europe/Berlin' : 'Africa/Nairobi',
    roles: [`role${n}`],
    employeeNumber: `${n}`,
    organization: `Organisation ${n}`,
    division: `Division ${n}`,
    department: `Department ${n}`,
  };
}

const small = { pageSize: 3, membersBatch: 2 };
connectorSuite({ title: 'scim at SCIMMY', connector: scimConnector, small, start });
