/** What an upstream says of someone, read by the mapping of its settings into what we keep of people. */
import { cleanLine, longestDisplayName, parseAddress } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import { compileExpression, type Expression, ExpressionError } from '#kit/expressions/expressions.ts';
import type { Log } from '#kit/log/log.ts';
import { claimVariables, kindOf, type UpstreamKind, type UpstreamSettings } from './settings.ts';

/** What was told, before the mapping. */
export interface Told {
  tenant: string;
  subject: string;
  claims: Record<string, unknown>;
  /** What the person knows themselves by there. */
  label: string;
  address?: { address: string; verified: boolean };
  /** RFC 8176 values, when it said any: nothing is assumed. */
  amr?: string[];
  acr?: string;
  /** When the person proved themselves there, when it said so. */
  provedAt?: Date;
  sessionIndex?: string;
  /** By which name it will sign the person out (`UpstreamProof`). */
  name?: string;
  idToken?: string;
  /** Names of groups are not all there (Entra overage). */
  groupsMissing?: boolean;
}

/** The same as far as we can keep it. */
export interface Identity {
  username?: string;
  givenName?: string;
  familyName?: string;
  displayName?: string;
  locale?: string;
  address?: { address: string; key: string; verified: boolean };
  attributes: Record<string, string | number | boolean>;
  /** Undefined when it did not say: nothing is taken away then. */
  groups?: string[];
}

/** What is read of each kind where the settings say nothing. */
export const usualMapping: Record<UpstreamKind, Record<string, string>> = {
  oidc: {
    username: 'first(claims.preferred_username, claims.nickname, claims.email, "")',
    givenName: 'claims.given_name',
    familyName: 'claims.family_name',
    displayName: 'claims.name',
    locale: 'claims.locale',
    groups: 'claims.groups',
  },
  // By the names `saml-claims.ts` gives to what goes by many.
  saml: {
    username:
      'first(claims.uid, claims.username, claims.eduPersonPrincipalName, claims.mail, claims.name, "")',
    givenName: 'claims.givenName',
    familyName: 'claims.sn',
    displayName: 'first(claims.displayName, claims.cn)',
    locale: 'claims.preferredLanguage',
    groups: 'claims.groups',
  },
  github: { username: 'claims.login', displayName: 'claims.name', groups: 'claims.organizations' },
  ldap: {
    username: 'claims.uid',
    givenName: 'claims.givenname',
    familyName: 'claims.sn',
    displayName: 'first(claims.displayname, claims.cn)',
    groups: 'claims.memberof',
  },
};

const compiled = new Map<string, Expression>();
const mostCompiled = 2000;

function expressionOf(source: string): Expression {
  const known = compiled.get(source);
  if (known) return known;
  const made = compileExpression(source, claimVariables);
  if (compiled.size >= mostCompiled) compiled.clear();
  compiled.set(source, made);
  return made;
}

/** What is kept of what was told. What cannot be kept is left out, and the log says so. */
export function identify(settings: UpstreamSettings, told: Told, log: Pick<Log, 'info'>): Identity {
  const values = { claims: told.claims, subject: told.subject };
  const { attributes, ...own } = settings.mapping;
  const sources = { ...usualMapping[kindOf(settings)], ...own };
  const run = (name: string, source: string | undefined) => {
    if (!source) return null;
    try {
      return expressionOf(source).evaluate(values);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      log.info({ code: 'upstream-mapping', field: name, detail: error.message }, 'a mapping gave nothing');
      return null;
    }
  };
  const line = (name: keyof typeof sources, limit = 120) => lineOf(run(name, sources[name]), limit);
  const groups = run('groups', sources.groups);
  const mapped = settings.mapping.email ? lineOf(run('email', settings.mapping.email), 254) : undefined;
  return {
    username: usernameFrom(line('username', 254)),
    givenName: line('givenName'),
    familyName: line('familyName'),
    displayName: line('displayName', longestDisplayName),
    locale: localeOf(line('locale', 35)),
    address: addressOf(told, mapped),
    attributes: Object.fromEntries(
      Object.entries(attributes).flatMap(([name, source]) => {
        const value = run(name, source);
        return value === null || value === '' || Array.isArray(value) ? [] : [[name, value]];
      }),
    ),
    groups: told.groupsMissing || groups === null ? undefined : [groups].flat().map(String).slice(0, 2000),
  };
}

function lineOf(value: unknown, limit: number): string | undefined {
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'string' && typeof first !== 'number') return undefined;
  try {
    return cleanLine(String(first).slice(0, limit), limit) || undefined;
  } catch {
    return undefined;
  }
}

/** What stands before the @ where a name is an address. */
function usernameFrom(text: string | undefined): string | undefined {
  return text?.split('@')[0] || undefined;
}

function localeOf(text: string | undefined): string | undefined {
  const tag = text?.replaceAll('_', '-');
  return tag && /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(tag) ? tag : undefined;
}

/** An address of the mapping's own counts as verified only where it is the one the upstream called so. */
function addressOf(told: Told, mapped: string | undefined): Identity['address'] {
  const text = mapped ?? told.address?.address;
  if (!text) return undefined;
  try {
    const { address, key } = parseAddress(text);
    const same = told.address !== undefined && parseAddress(told.address.address).key === key;
    return { address, key, verified: same && told.address?.verified === true };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** Whether what was told of how the person proved themselves is what the settings ask for; nothing is assumed (AU-20). */
export function isStrongEnough({ require }: UpstreamSettings, told: Pick<Told, 'amr' | 'acr'>): boolean {
  const amr = require.amr.every((one) => told.amr?.includes(one));
  const acr = require.acr.length === 0 || (told.acr !== undefined && require.acr.includes(told.acr));
  return amr && acr;
}

/** How strong it is here: one factor, unless it told what the settings let count as two. */
export function aalOf({ secondFactor }: UpstreamSettings, told: Pick<Told, 'amr' | 'acr'>): 1 | 2 {
  const byAmr = secondFactor.amr.some((one) => told.amr?.includes(one));
  const byAcr = told.acr !== undefined && secondFactor.acr.includes(told.acr);
  return byAmr || byAcr ? 2 : 1;
}
