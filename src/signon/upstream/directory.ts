/**
 * A directory that checks passwords for us (LDAP simple bind, RFC 4513 §5.1.3): looked up with an account of its own,
 * then bound as whoever was found. Every question runs the same steps, whoever it is about: a search, and one bind, of
 * nobody where nobody was found or the password is not for this directory's ears.
 * Refuses an empty password (RFC 4513 §5.1.2 makes that an anonymous bind) and answers that name several.
 */
import { createRequire } from 'node:module';
import type { Client, Entry } from 'ldapts';
import { randomToken } from '#kit/crypto/ids.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import type { UpstreamSettings } from './settings.ts';
import type { Upstream } from './upstreams.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first question: most houses ask no directory. */
const ldapts = () => require('ldapts') as typeof import('ldapts');

type LdapSettings = NonNullable<UpstreamSettings['ldap']>;

export interface DirectoryUpstream extends Pick<Upstream, 'id'> {
  settings: UpstreamSettings & { ldap: LdapSettings };
  password: string;
}

/** Whom it is about: the name someone typed, or what the directory calls someone we know for good. */
export type Asked = { name: string } | { subject: string };

const timeoutMs = 5000;
const wrongPassword = 49;
/** Locked, expired or otherwise not to be used: as good as a wrong password. */
const unusable = new Set([8, 19, 48, 50, 53]);

/**
 * Asks the directory whether this is their password, and what it says of them. Undefined when it is not, or nobody is
 * found; `password` undefined asks the same without any. Refuses with `upstream-unreachable` when it does not answer.
 */
export async function askDirectory(
  needs: { net: Net },
  upstream: DirectoryUpstream,
  asked: Asked,
  password: string | undefined,
): Promise<Told | undefined> {
  const { ldap } = upstream.settings;
  const client = await connect(needs, upstream);
  try {
    await client.bind(ldap.bindDn, upstream.password);
    const { searchEntries } = await client.search(ldap.baseDn, {
      scope: 'sub',
      filter: filterOf(ldap, asked),
      attributes: ['*', '+'],
      explicitBufferAttributes: [ldap.subject],
      sizeLimit: 3,
      timeLimit: Math.ceil(timeoutMs / 1000),
    });
    const entry = searchEntries.length === 1 ? searchEntries[0] : undefined;
    const usable = entry !== undefined && password !== undefined && password !== '';
    const proved = await binds(
      client,
      usable ? entry.dn : `cn=nobody-at-all,${ldap.baseDn}`,
      usable ? password : randomToken(),
    );
    return usable && proved ? toTold(upstream, entry) : undefined;
  } catch (error) {
    if (error instanceof UpstreamFailure) throw error;
    // More than fits the limit were found: nobody in particular.
    if (error instanceof ldapts().ResultCodeError && error.code === 4) return undefined;
    throw unreachable(upstream, error);
  } finally {
    await client.unbind().catch(() => undefined);
  }
}

async function binds(client: Client, dn: string, password: string): Promise<boolean> {
  try {
    await client.bind(dn, password);
    return true;
  } catch (error) {
    const code = error instanceof ldapts().ResultCodeError ? error.code : undefined;
    if (code === wrongPassword || code === 32 || code === 34 || unusable.has(code ?? -1)) return false;
    throw error;
  }
}

function filterOf(ldap: LdapSettings, asked: Asked): string {
  if ('name' in asked) return ldap.filter.replaceAll('{name}', () => ldapts().Filter.escape(asked.name));
  const { subject } = asked;
  const bytes = /^hex:([0-9a-f]+)$/.exec(subject)?.[1];
  return `(${ldap.subject}=${ldapts().Filter.escape(bytes ? Buffer.from(bytes, 'hex') : subject)})`;
}

/** Through the one guarded way out; encrypted unless it is this machine. */
async function connect(needs: { net: Net }, upstream: DirectoryUpstream): Promise<Client> {
  const { ldap, privateNetwork } = upstream.settings;
  const url = new URL(ldap.url);
  const secure = url.protocol === 'ldaps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (secure ? 636 : 389));
  const tls = {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    host,
    // An address has no server name to send (RFC 6066 §3); its certificate is checked all the same.
    ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
    ...(ldap.ca && { ca: ldap.ca }),
  };
  let client: Client | undefined;
  try {
    const { connect: dial } = needs.net;
    const socket = await dial({ host, port, allowPrivate: privateNetwork, timeoutMs });
    client = new (ldapts().Client)({
      url: `${url.protocol}//${url.host}`,
      timeout: timeoutMs,
      connectTimeout: timeoutMs,
      ...(secure ? { tlsOptions: { ...tls, socket } } : { createConnection: () => socket }),
    });
    if (ldap.startTls && !secure) await client.startTLS(tls);
    return client;
  } catch (error) {
    await client?.unbind().catch(() => undefined);
    throw unreachable(upstream, error);
  }
}

function unreachable(upstream: DirectoryUpstream, error: unknown): UpstreamFailure {
  const why =
    error instanceof NetRefused ? error.code : error instanceof Error ? error.message : String(error);
  return new UpstreamFailure('upstream-unreachable', upstream, { detail: why.slice(0, 300), cause: error });
}

/** Attributes that are nobody's business, whatever a mapping asks for. */
const secret = /password|passwd|pwdhistory|secret/i;

function toTold(upstream: DirectoryUpstream, entry: Entry): Told {
  const { ldap } = upstream.settings;
  const subject = subjectOf(entry[keyOf(entry, ldap.subject) ?? ''] ?? []);
  if (subject === undefined)
    throw new UpstreamFailure('upstream-answer', upstream, { detail: `${ldap.subject} is missing` });
  const claims: Record<string, unknown> = { dn: entry.dn };
  for (const [name, given] of Object.entries(entry)) {
    const values = [given].flat().filter((one) => typeof one === 'string' && one !== '');
    if (name === 'dn' || secret.test(name) || values.length === 0) continue;
    claims[name.toLowerCase().replace(/;.*$/s, '')] = values.length === 1 ? values[0] : values;
  }
  const first = (name: string) => [claims[name]].flat().find((one) => typeof one === 'string');
  const mail = first('mail');
  return {
    tenant: '',
    subject,
    claims,
    label: String(first('uid') ?? first('samaccountname') ?? mail ?? entry.dn),
    address: typeof mail === 'string' ? { address: mail, verified: true } : undefined,
    amr: ['pwd'],
  };
}

function keyOf(entry: Entry, name: string): string | undefined {
  return Object.keys(entry).find((key) => key.toLowerCase() === name.toLowerCase());
}

/** Text as it is; bytes that are none (objectGUID) in hex. */
function subjectOf(given: Buffer | Buffer[] | string | string[]): string | undefined {
  const [value] = [given].flat();
  if (value === undefined || value.length === 0) return undefined;
  const bytes = Buffer.from(value as Buffer);
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) && /^[\x20-\x7e]{1,255}$/.test(text)
    ? text
    : `hex:${bytes.subarray(0, 100).toString('hex')}`;
}
