/** The two sentences every upstream that browsers go to understands: where to go, and what the answer says. */
import { UpstreamFailure } from './failure.ts';
import { githubUrl, readGithub } from './github.ts';
import type { Told } from './identity.ts';
import type { Journey, Returned } from './journeys.ts';
import { authorizationUrl, readAnswer } from './oidc.ts';
import { authnRequestUrl, keptAnswer, type SamlNeeds } from './saml.ts';
import { toSaml } from './saml-published.ts';
import type { Credentials, Upstream } from './upstreams.ts';

/** An upstream, opened for this conversation. */
export interface Opened {
  upstream: Upstream;
  credentials: Credentials;
  /** Where it sends people back to. */
  redirectUri: string;
}

/** Where the browser is sent. Refuses with `upstream-not-fresh` where proof of this moment cannot be had. */
export async function wayThere(
  needs: SamlNeeds,
  { upstream, credentials, redirectUri }: Opened,
  way: Journey & { hint?: string; anew?: boolean; locale?: string },
): Promise<URL> {
  const { settings } = upstream;
  const secret = credentials.clientSecret;
  if (settings.oidc)
    return authorizationUrl(
      needs,
      { ...upstream, settings: { ...settings, oidc: settings.oidc }, secret },
      { ...way, redirectUri },
    );
  if (settings.github && !way.anew)
    return githubUrl(
      { ...upstream, settings: { ...settings, github: settings.github }, secret: secret ?? '' },
      { ...way, redirectUri },
    );
  const saml = toSaml(upstream);
  if (saml) return authnRequestUrl(needs, saml, way);
  throw new UpstreamFailure(settings.github ? 'upstream-not-fresh' : 'upstream-unknown', upstream);
}

/** What the answer says, checked in everything that binds it to the journey. */
export async function readBack(
  needs: SamlNeeds,
  { upstream, credentials, redirectUri }: Opened,
  journey: Returned,
  answer: URL,
): Promise<Told> {
  const { settings } = upstream;
  const secret = credentials.clientSecret;
  if (settings.oidc) {
    const oidc = { ...upstream, settings: { ...settings, oidc: settings.oidc }, secret };
    return readAnswer(needs, oidc, journey, answer);
  }
  if (settings.github) {
    const github = { ...settings, github: settings.github };
    const of = { ...upstream, settings: github, secret: secret ?? '' };
    return readGithub(needs, of, { ...journey, redirectUri }, answer);
  }
  const saml = toSaml(upstream);
  if (saml) return keptAnswer(needs, saml, journey);
  throw new UpstreamFailure('upstream-unknown', upstream);
}
