/** What an ID token and userinfo would say, by the rendering they are made with, for an app that asks every scope. */
import type { Teller, ToldValue } from '#signon/preview.ts';
import { attributesKey, renderClaims, scopeClaims } from './profile.ts';
import { issuerOf } from './provider.ts';

/** Claim → value of the profile it comes from. */
const sources: Record<string, string> = {
  name: 'name',
  given_name: 'givenName',
  family_name: 'familyName',
  preferred_username: 'username',
  email: 'email',
  email_verified: 'emailVerified',
  locale: 'locale',
  updated_at: 'updatedAt',
  groups: 'groups',
  roles: 'roles',
};

export function oidcTeller({ issuer }: { issuer: URL }): Teller {
  return async (_tx, application, profile) => {
    if (!application.settings.oidc) return undefined;
    const { [attributesKey]: attributes, ...claims } = renderClaims(profile);
    const told: ToldValue[] = [
      { name: 'sub', values: [profile.subject], from: 'subject', more: 'openid' },
      ...Object.entries(claims).map(([name, value]) => ({
        name,
        values: (Array.isArray(value) ? value : [value]).map(String),
        from: sources[name] ?? name,
        more: scopeOf(name),
      })),
      ...Object.entries(attributes).map(([name, value]) => ({
        name,
        values: [value],
        from: `attribute:${name}`,
        more: 'profile',
      })),
    ];
    const message = {
      iss: issuerOf(issuer),
      aud: application.id,
      sub: profile.subject,
      ...claims,
      ...attributes,
    };
    return { speaks: 'oidc', told, message: JSON.stringify(message, undefined, 2) };
  };
}

/** The first scope that asks for a claim. */
function scopeOf(claim: string): string | undefined {
  return Object.entries(scopeClaims).find(([, claims]) => claims.some((one) => one === claim))?.[0];
}
