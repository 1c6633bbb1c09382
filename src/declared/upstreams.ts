/** The part of a plan that says through whom people may sign in. */
import { groupKey } from '#core/groups/groups.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import {
  credentialNames,
  keepsCredentials,
  kindOf,
  type UpstreamKind,
  upstreamSettings,
} from '#signon/upstream/settings.ts';
import {
  findUpstream,
  holdsUpstreamCredentials,
  listUpstreams,
  saveUpstream,
} from '#signon/upstream/upstreams.ts';
import type { ReadyCredentials } from './credentials.ts';
import { changedKeys, type Planning } from './plan.ts';
import type { DeclaredUpstream } from './schema.ts';

interface UpstreamTools {
  secrets: Secrets;
  credentials: ReadyCredentials;
}

/** What would have to change for each declared upstream to be as the file says; its credentials where the file gives them. */
export async function planUpstreams(tx: Tx, planning: Planning, tools: UpstreamTools): Promise<void> {
  for (const [index, one] of (planning.declared.upstreams ?? []).entries())
    await planUpstream(tx, planning, tools, one, index);
}

async function planUpstream(
  tx: Tx,
  { declared, plan, findings, groups }: Planning,
  { secrets, credentials }: UpstreamTools,
  { id, credentials: _, ...given }: DeclaredUpstream,
  index: number,
): Promise<void> {
  const path = ['upstreams', index];
  const settings = upstreamSettings.parse(given);
  const values = credentials.upstreams.get(index);
  const known = await findUpstream(tx, id);
  const names = credentialNames[kindOf(settings)];
  const strange = Object.keys(values ?? {}).find((name) => !names.some((one) => one.name === name));
  const isSame = known !== undefined && keepsCredentials(known.settings, settings);
  const missing = isSame ? [] : names.filter(({ name, required }) => required && !values?.[name]);
  if (strange !== undefined)
    findings.push(declared.places.find([...path, 'credentials', strange], 'is no credential of this kind'));
  if (missing.length > 0)
    findings.push(
      declared.places.find(path, `credentials.${missing.map(({ name }) => name).join(', ')} must be given`),
    );
  if (strange !== undefined || missing.length > 0) return;
  const here = new Set([...groups.keys(), ...(declared.groups ?? []).map((one) => groupKey(one.name))]);
  const unknown = settings.groups.map(({ to }) => to).filter((name) => !here.has(groupKey(name)));
  if (unknown.length > 0)
    plan.warnings.push(
      `The upstream ${id} gives ${unknown.join(', ')}: there is no such group, neither in this file nor here.`,
    );
  const keys = known ? changedKeys(known.settings, settings) : [];
  const isNew = values !== undefined && !(known && (await holdsUpstreamCredentials(tx, secrets, id, values)));
  if (known && keys.length === 0 && !isNew) return;
  const parts = [...keys, ...(isNew ? ['credentials'] : [])];
  plan.changes.push({
    text: known
      ? `Change the upstream ${id}: ${parts.join(', ')}`
      : `Add the upstream ${id} (${settings.title})`,
    path,
    run: async (inside) =>
      void (await saveUpstream(inside, secrets, id, settings, isNew ? values : undefined)),
  });
}

/** Upstreams as a file that is applied again takes them: what is as it would be anyway is left out, and so are credentials. */
export async function exportUpstreams(
  tx: Tx,
  differing: (value: object, usual: object) => Record<string, unknown>,
): Promise<object[]> {
  return (await listUpstreams(tx)).map(({ id, settings }) => {
    const kind = kindOf(settings);
    const usual = upstreamSettings.parse({ title: 'x', github: { clientId: 'x' } });
    const { title: _, github: __, ...plain } = usual;
    const { [kind]: own, ...rest } = settings;
    return { id, ...differing(rest, plain), [kind]: differing(own as object, usualOf[kind]) };
  });
}

/** What each kind is without saying so; what must always be said is not among it. */
const usualOf: Record<UpstreamKind, object> = {
  oidc: without(
    upstreamSettings.parse({ title: 'x', oidc: { issuer: 'https://x.test', clientId: 'x' } }).oidc,
    ['issuer', 'clientId'],
  ),
  github: without(upstreamSettings.parse({ title: 'x', github: { clientId: 'x' } }).github, ['clientId']),
  saml: without(upstreamSettings.parse({ title: 'x', saml: { metadata: { url: 'https://x.test' } } }).saml, [
    'metadata',
  ]),
  ldap: without(
    upstreamSettings.parse({ title: 'x', ldap: { url: 'ldaps://x', bindDn: 'x', baseDn: 'x' } }).ldap,
    ['url', 'bindDn', 'baseDn'],
  ),
};

function without(value: object | undefined, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([key]) => !keys.includes(key)));
}
