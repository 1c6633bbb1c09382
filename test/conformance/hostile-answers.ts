/** Answers no honest target gives, and everything a connector can be asked while they come. */
import type { Connection, Desired, Response } from '../../src/provisioning/connector.ts';

/** Answers no honest target gives. */
export function hostileAnswers(
  secret: string,
): Record<string, { status: number; text: string; headers?: Record<string, string> }> {
  const json = (status: number, value: unknown) => ({ status, text: JSON.stringify(value) });
  const deep = `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`;
  const pollution =
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"id":"__proto__"}';
  return {
    'a page instead of an answer': { status: 200, text: '<!doctype html><title>Sign in</title><form>' },
    'a page as refusal': { status: 400, text: `<html><body>Bad token ${secret}</body></html>` },
    nothing: { status: 200, text: '' },
    'a number': json(200, 7),
    'a list': json(200, [1, 2]),
    'wrong types throughout': json(200, {
      id: 5,
      active: 'perhaps',
      userName: { a: 1 },
      emails: 'x',
      name: [],
      totalResults: 'many',
      itemsPerPage: -1,
      startIndex: {},
      Resources: 'none',
      members: 4,
      meta: 'no',
      schemas: 1,
      data: 'x',
    }),
    'entries of wrong types': json(200, {
      totalResults: 3,
      Resources: [null, 1, { id: {} }, { id: '..' }, 'x'],
    }),
    'an id that climbs': json(200, { id: '..', displayName: 'x', userName: 'x' }),
    'keys of prototypes': { status: 200, text: pollution },
    'a list of keys of prototypes': { status: 200, text: `{"totalResults":1,"Resources":[${pollution}]}` },
    'a deep answer': { status: 200, text: deep },
    'a huge refusal': json(400, { detail: 'x'.repeat(2_000_000) }),
    'a total without end': json(200, { totalResults: 1e9, itemsPerPage: 100, startIndex: 1, Resources: [] }),
    'a page that repeats': json(200, {
      totalResults: 1e9,
      itemsPerPage: 2,
      Resources: [
        { id: 'a', userName: 'a', displayName: 'a' },
        { id: 'b', userName: 'b', displayName: 'b' },
      ],
    }),
    'a refusal that repeats our credentials': json(400, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      detail: `Bearer ${secret} and ${Buffer.from(secret).toString('base64')}\u0000\u202e is wrong`,
    }),
    'a clash that repeats our credentials': json(409, { errors: [{ message: secret }] }),
    'another address': { status: 302, text: '', headers: { location: 'https://elsewhere.example/' } },
    'a status nobody knows': { status: 299, text: 'ok' },
    'a teapot': { status: 418, text: 'short and stout' },
  };
}

/** Each thing a connection does, by name. */
export function operations(desired: Desired): [string, (connection: Connection) => Promise<unknown>][] {
  const id = 'an-id';
  const drain = async (pages: AsyncIterable<unknown>) => {
    for await (const _ of pages);
  };
  return [
    ['find', (it) => it.find(desired)],
    ['read', (it) => it.read(id)],
    ['list', (it) => drain(it.list())],
    ['create', (it) => it.apply({ do: 'create', desired })],
    ['update', (it) => it.apply({ do: 'update', id, fields: ['userName', 'active'], desired })],
    ['deactivate', (it) => it.apply({ do: 'deactivate', id, desired })],
    ['findGroup', (it) => it.findGroup('name', 'external')],
    ['readGroup', (it) => it.readGroup(id)],
    ['listGroups', (it) => drain(it.listGroups())],
    ['create-group', (it) => it.applyGroup({ do: 'create-group', name: 'name', externalId: 'external' })],
    ['add-members', (it) => it.applyGroup({ do: 'add-members', id, members: ['m'] })],
    ['remove-members', (it) => it.applyGroup({ do: 'remove-members', id, members: ['m'] })],
  ];
}

/** An answer as the way out hands it on. */
export function responseOf(status: number, text: string, headers: Record<string, string> = {}): Response {
  let json: unknown;
  try {
    json = text === '' ? undefined : JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status, headers: new Headers(headers), text, json };
}
