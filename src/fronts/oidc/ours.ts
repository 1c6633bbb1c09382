/** What an app that speaks OpenID Connect needs to know of us. */
import { issuerOf } from './provider.ts';

export function oidcOurs({ issuer }: { issuer: URL }) {
  const name = issuerOf(issuer);
  return { issuer: name, discoveryUrl: `${name}/.well-known/openid-configuration` };
}
