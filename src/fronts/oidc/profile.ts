/**
 * The profile as OIDC claims (OIDC Core §5.1), from `profilesFor` alone. Community attributes are claims of their own
 * name, as strings: real clients map them without looking at types. Refuses nothing: what may not be released never
 * gets here.
 */
import type { AttributeDeclaration } from '#core/people/attributes.ts';
import type { Profile } from '#core/profile/profile.ts';

/** Which claims each scope asks for. Groups and roles also come with `profile`: many apps can ask for nothing else. */
export const scopeClaims = {
  profile: [
    'name',
    'given_name',
    'family_name',
    'preferred_username',
    'locale',
    'updated_at',
    'groups',
    'roles',
  ],
  email: ['email', 'email_verified'],
  groups: ['groups'],
  roles: ['roles'],
} as const;

/** Carries the attributes through the library, which knows only claims that were named at start. */
export const attributesKey = Symbol('attributes');

export interface RenderedClaims {
  [claim: string]: unknown;
  [attributesKey]: Record<string, string>;
}

/** Everything this app may hear of the person; the scopes and claims asked for are cut out of it later. */
export function renderClaims(profile: Profile): RenderedClaims {
  const { released } = profile;
  const claims = {
    name: released.name,
    given_name: released.givenName,
    family_name: released.familyName,
    preferred_username: released.username,
    email: released.email,
    email_verified: released.emailVerified,
    locale: released.locale,
    updated_at: released.updatedAt,
    groups: released.groups,
    roles: released.roles,
  };
  const present = Object.entries(claims).filter(([, value]) => value !== undefined && value !== '');
  const attributes = Object.entries(released.attributes).map(
    ([name, value]) => [name, String(value)] as const,
  );
  return { ...Object.fromEntries(present), [attributesKey]: Object.fromEntries(attributes) };
}

/** One line of what a person is asked to share. */
export interface SharedDetail {
  /** Claim, or the attribute's own title. */
  label: { claim: string } | { title: string };
  value: string | string[];
}

/** What these scopes and claims would really tell the app, in the order a person reads. */
export function sharedDetails(
  profile: Profile,
  scopes: readonly string[],
  claims: readonly string[],
  declarations: readonly AttributeDeclaration[],
): SharedDetail[] {
  const rendered = renderClaims(profile);
  const asked = new Set<string>(claims);
  for (const scope of scopes) {
    for (const claim of scopeClaims[scope as keyof typeof scopeClaims] ?? []) asked.add(claim);
  }
  const shown = ['name', 'preferred_username', 'email', 'locale', 'groups', 'roles'];
  const details: SharedDetail[] = shown.flatMap((claim) => {
    const asks =
      asked.has(claim) || (claim === 'name' && (asked.has('given_name') || asked.has('family_name')));
    const value = rendered[claim];
    if (!asks || value === undefined) return [];
    return [{ label: { claim }, value: value as string | string[] }];
  });
  const titles = new Map(declarations.map((one) => [one.name, one.title]));
  for (const [name, value] of Object.entries(rendered[attributesKey])) {
    if (scopes.includes('profile')) details.push({ label: { title: titles.get(name) ?? name }, value });
  }
  return details;
}
