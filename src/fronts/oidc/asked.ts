/** What an authorization request asks to know, by its parameters: the same for the policy and for the page. */
import type { Application } from '#core/applications/applications.ts';
import { neededAal } from '#signon/factor-policy.ts';
import { scopeClaims } from './profile.ts';

const scopes = new Set<string>(['openid', 'offline_access', ...Object.keys(scopeClaims)]);
const claims = new Set<string>(Object.values(scopeClaims).flat());

/** Scopes we know, and claims of a person asked for one by one (OIDC Core §5.5). */
export function askedBy(params: { scope?: unknown; claims?: unknown }): {
  scopes: string[];
  claims: string[];
} {
  const named = String(params.scope ?? '').split(' ');
  return {
    scopes: [...new Set(named)].filter((scope) => scopes.has(scope)),
    claims: claimNames(params.claims).filter((claim) => claims.has(claim)),
  };
}

function claimNames(text: unknown): string[] {
  const parsed = parseClaims(text);
  return [...new Set([...Object.keys(parsed.userinfo ?? {}), ...Object.keys(parsed.id_token ?? {})])];
}

interface ClaimsParameter {
  userinfo?: Record<string, unknown>;
  id_token?: Record<string, { essential?: boolean; value?: unknown; values?: unknown } | null>;
}

/** The `claims` parameter; the library has checked its form. */
export function parseClaims(text: unknown): ClaimsParameter {
  return typeof text === 'string' ? (JSON.parse(text) as ClaimsParameter) : {};
}

/** Authentication context classes, by the assurance level (SP 800-63B) that each says was reached. */
const acrOfLevel = { 1: 'urn:gatehouse:acr:1', 2: 'urn:gatehouse:acr:2' } as const;
export const acrs: string[] = Object.values(acrOfLevel);

/** What a session of this assurance level is called. */
export function acrOfAal(aal: number): string {
  return acrOfLevel[aal >= 2 ? 2 : 1];
}

/** The level a request asks for: insisted on (`claims`, essential) or wished for (`acr_values`, in order of preference). */
function askedAal(params: { claims?: unknown; acr_values?: unknown }): { insists: 1 | 2; wishes: 1 | 2 } {
  const claim = parseClaims(params.claims).id_token?.acr;
  const named = [claim?.value, claim?.values].flat().filter((one) => typeof one === 'string');
  const insists = claim?.essential && named.includes(acrOfLevel[2]) && !named.includes(acrOfLevel[1]) ? 2 : 1;
  const wished = [...String(params.acr_values ?? '').split(' '), ...named];
  const first = wished.find((one) => acrs.includes(one));
  return { insists, wishes: first === acrOfLevel[2] ? 2 : 1 };
}

/**
 * The level the session must have reached for this request of this app. A wish counts where the person can meet it
 * (`strongest`); it is answered with what is true either way (RFC 9470 §5).
 */
export function neededFor(
  params: { claims?: unknown; acr_values?: unknown },
  application: Application | undefined,
  strongest: number,
): { needed: 1 | 2; insisted: boolean } {
  const { insists, wishes } = askedAal(params);
  const insisted = neededAal(application, insists) === 2;
  return { needed: insisted || (wishes === 2 && strongest >= 2) ? 2 : 1, insisted };
}

/** Whether this authentication context class is one the request insists on (or it insists on none). */
export function satisfiesAcr(params: { claims?: unknown }, acr: string): boolean {
  const asked = parseClaims(params.claims).id_token?.acr;
  if (!asked?.essential) return true;
  if (Array.isArray(asked.values)) return asked.values.includes(acr);
  return asked.value === undefined || asked.value === acr;
}

/** The subject a request insists on, by hint or by claim; the hint was checked by the library. */
export function askedSubject(
  params: { claims?: unknown },
  hint: { sub?: unknown } | undefined,
): string | undefined {
  const asked = parseClaims(params.claims).id_token?.sub?.value ?? hint?.sub;
  return typeof asked === 'string' ? asked : undefined;
}

/** Where a form of ours may lead through redirects, as CSP `form-action` names it. */
export function formActionOf(redirectUri: unknown): string[] {
  if (typeof redirectUri !== 'string' || !URL.canParse(redirectUri)) return [];
  const { protocol, origin } = new URL(redirectUri);
  return [/^https?:$/.test(protocol) ? origin : protocol];
}
