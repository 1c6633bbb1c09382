/**
 * From what an application may see of a person to what their account there should be: one expression an attribute, the
 * administrator's over the connector's. Compiled once for settings, run for each person.
 */
import type { Profile } from '#core/profile/profile.ts';
import {
  compileExpression,
  type Expression,
  ExpressionError,
  type VariableType,
} from '#kit/expressions/expressions.ts';
import type { Connector, Desired, Value } from './connector.ts';

/** What expressions may name. */
export const mappingVariables = {
  username: 'string',
  externalId: 'string',
  displayName: 'string?',
  givenName: 'string?',
  familyName: 'string?',
  email: 'string?',
  mailbox: 'string?',
  choice: 'string',
  address: 'string?',
  locale: 'string?',
  groups: 'strings',
  roles: 'strings',
  attributes: 'map',
  active: 'boolean',
} as const satisfies Record<string, VariableType>;

/** Why no account can be described for this person, for an administrator. */
export interface MappingProblem {
  problem: string;
  attribute?: string;
}

/** An expression of a mapping does not fit. The message is a sentence for whoever wrote it. */
export class MappingRefused extends Error {
  override name = 'MappingRefused';
  readonly attribute: string;
  constructor(attribute: string, reason: string) {
    super(reason);
    this.attribute = attribute;
  }
}

interface Compiled {
  name: string;
  required: boolean;
  expression: Expression;
}

export type Mapping = readonly Compiled[];

/** Reads the expressions of a mapping over the connector's own. Throws `MappingRefused`. */
export function compileMapping(given: Readonly<Record<string, string>>, connector: Connector): Mapping {
  const known = new Set(connector.attributes.map(({ name }) => name));
  const unknown = Object.keys(given).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new MappingRefused(unknown, `${connector.title} has no attribute ${unknown}.`);
  return connector.attributes.flatMap(({ name, mapping, required = false }) => {
    const source = Object.hasOwn(given, name) ? given[name] : mapping;
    if (source === undefined || source.trim() === '') {
      if (required) throw new MappingRefused(name, `${name} is needed by ${connector.title}.`);
      return [];
    }
    try {
      return [{ name, required, expression: compileExpression(source, mappingVariables) }];
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      throw new MappingRefused(name, error.message);
    }
  });
}

interface Mapped {
  connector: string;
  settings: { mapping: Readonly<Record<string, string>> };
}

const compiled = new WeakMap<Connector, { source: string; mapping: Mapping }[]>();

/** The mapping of a target, compiled once for as long as its text stays the same. */
export function mappingOf(target: Mapped, connector: Connector): Mapping {
  const source = JSON.stringify(target.settings.mapping);
  const known = compiled.get(connector) ?? [];
  const same = known.find((one) => one.source === source);
  if (same) return same.mapping;
  const mapping = compileMapping(target.settings.mapping, connector);
  compiled.set(connector, [{ source, mapping }, ...known].slice(0, 20));
  return mapping;
}

/** What expressions are given for one person: only what is released to the application. */
export function valuesFor(
  profile: Profile,
  externalId: string,
  active: boolean,
): Record<keyof typeof mappingVariables, unknown> {
  const { released } = profile;
  const email = released.emailVerified ? released.email : undefined;
  return {
    username: profile.username,
    externalId,
    displayName: released.name ?? null,
    givenName: released.givenName ?? null,
    familyName: released.familyName ?? null,
    email: email ?? null,
    mailbox: profile.mailbox ?? null,
    choice: profile.accountChoice,
    address: profile.accountAddress ?? null,
    locale: released.locale ?? null,
    groups: released.groups ?? [],
    roles: released.roles ?? [],
    attributes: released.attributes,
    active,
  };
}

/**
 * What the account of this person should be, or why none can be described.
 * @param extra.externalId the one the account was made with; default the subject at this application
 */
export function desiredFor(
  target: Mapped,
  connector: Connector,
  profile: Profile,
  extra: { externalId?: string; active?: boolean } = {},
): Desired | MappingProblem {
  const externalId = extra.externalId ?? profile.subject;
  const active = extra.active ?? profile.active;
  const values = valuesFor(profile, externalId, active);
  const attributes: Record<string, Value> = {};
  for (const { name, required, expression } of mappingOf(target, connector)) {
    let value: Value;
    try {
      value = plain(expression.evaluate(values));
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return { problem: `The mapping of ${name} failed: ${error.message}`, attribute: name };
    }
    if (required && value === null)
      return { problem: `${name} is needed there, and this person has none.`, attribute: name };
    attributes[name] = value;
  }
  return { externalId, active, attributes };
}

export function isMappingProblem(result: Desired | MappingProblem): result is MappingProblem {
  return 'problem' in result;
}

/** Empty text and nothing are the same to a target. */
function plain(value: Value | bigint): Value {
  if (typeof value === 'bigint') return Number(value);
  return value === '' ? null : value;
}
