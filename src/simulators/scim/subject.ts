/** Whom a request is about, read from its address, its body and its filter, for the ledger and for faults. */
import type { Exchange } from './exchange.ts';
import type { Subject } from './ledger.ts';
import type { Directory, Kind } from './resources.ts';

/** `segments` are those below the SCIM base. Never throws: what cannot be read is about nobody. */
export function subjectOf(exchange: Exchange, segments: readonly string[], directory: Directory): Subject {
  const [first, id] = segments;
  const kind: Kind | undefined = first === 'Users' ? 'User' : first === 'Groups' ? 'Group' : undefined;
  if (!kind) return {};
  const known = id === undefined ? undefined : directory.find(kind, id)?.body;
  const said = { ...filtered(exchange), ...(known ?? {}), ...bodyOf(exchange) };
  const text = (name: 'userName' | 'externalId') =>
    typeof said[name] === 'string' ? { [name]: said[name] } : {};
  return { kind, ...(id === undefined ? {} : { id }), ...text('userName'), ...text('externalId') };
}

function bodyOf(exchange: Exchange): Record<string, unknown> {
  if (exchange.method !== 'POST' && exchange.method !== 'PUT') return {};
  try {
    const { userName, externalId } = JSON.parse(exchange.body) as Record<string, unknown>;
    return {
      ...(userName === undefined ? {} : { userName }),
      ...(externalId === undefined ? {} : { externalId }),
    };
  } catch {
    return {};
  }
}

function filtered(exchange: Exchange): Record<string, unknown> {
  const [, name, value] =
    /^(userName|externalId) eq "([^"\\]*)"$/i.exec(exchange.query.get('filter') ?? '') ?? [];
  if (name === undefined) return {};
  return { [name.toLowerCase() === 'username' ? 'userName' : 'externalId']: value };
}
