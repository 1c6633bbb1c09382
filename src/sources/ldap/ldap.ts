/**
 * A live LDAP directory (RFC 4511) as a source: bind, then one subtree in pages (RFC 2696).
 *
 * Owns: nothing; writes nothing there. Records nothing.
 * Refuses: an empty password (RFC 4513 §5.1.2 makes that an anonymous bind), a password over a connection that
 * is neither encrypted nor on this machine, certificates it cannot verify, referrals, and every answer that is
 * less than the whole: size or time limit, a page without the next one's cookie, an empty tree.
 */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import {
  Client,
  PagedResultsControl,
  PresenceFilter,
  ResultCodeError,
  SearchRequest,
  type SearchResponse,
} from 'ldapts';
import type { LdifEntry } from '#sources/ldif/ldif.ts';
import { readTreeEntry, type TreeOptions } from '#sources/ldif/openmrs-tree.ts';
import { type Source, SourceIncomplete, type SourceItem } from '#sources/source.ts';

export interface LdapOptions extends TreeOptions {
  /** `ldap://host[:port]` or `ldaps://host[:port]`, without a path. */
  url: string;
  bindDn: string;
  password: string;
  /** The tree to read, for example `dc=example,dc=org`. */
  baseDn: string;
  /** Upgrade an `ldap://` connection before anything is sent (RFC 4511 §4.14). */
  startTls?: boolean;
  /** File with the certificates (PEM) to trust instead of the system's. */
  caFile?: string;
  /** Entries asked for at a time, default 500. */
  pageSize?: number;
  /** Milliseconds to wait for a connection, and for each answer; default 30,000. */
  timeoutMs?: number;
}

/** The directory could not be reached or refused to be read at all. The text names the cause, never the password. */
export class LdapRefused extends Error {
  readonly code: string;

  constructor(code: string, text: string, cause?: unknown) {
    super(text, { cause });
    this.name = 'LdapRefused';
    this.code = code;
  }
}

/** After this many pages in a row without any entry, a directory is leading us in circles. */
const MAX_EMPTY_PAGES = 1_000;

/** Reads a directory as people and groups. Throws LdapRefused at once for settings that cannot be used. */
export function ldapSource(options: LdapOptions): Source {
  const { url, encrypted } = checkSettings(options);
  return {
    label: url.href.replace(/\/$/, ''),
    async *readSource(): AsyncGenerator<SourceItem> {
      for await (const entry of readDirectory(options, url, encrypted)) yield readTreeEntry(entry, options);
    },
  };
}

function checkSettings(options: LdapOptions): { url: URL; encrypted: boolean } {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (!url || !['ldap:', 'ldaps:'].includes(url.protocol) || url.hostname === '')
    throw new LdapRefused(
      'ldap-url',
      'The address has to read ldap://host or ldaps://host, with :port if needed.',
    );
  if (url.username || url.password || (url.pathname !== '' && url.pathname !== '/') || url.search)
    throw new LdapRefused(
      'ldap-url',
      'The address takes host and port only; name and base are settings of their own.',
    );
  if (options.bindDn.trim() === '')
    throw new LdapRefused('ldap-bind-dn', 'The name to bind with is missing.');
  if (options.password === '')
    throw new LdapRefused(
      'ldap-password',
      'The password is empty. A directory would take that as an anonymous bind.',
    );
  if (options.baseDn.trim() === '') throw new LdapRefused('ldap-base', 'The base to read from is missing.');
  const secure = url.protocol === 'ldaps:';
  if (secure && options.startTls)
    throw new LdapRefused(
      'ldap-tls',
      'StartTLS is for ldap:// addresses; ldaps:// is encrypted from the start.',
    );
  const encrypted = secure || options.startTls === true;
  if (!encrypted && !/^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/.test(url.hostname))
    throw new LdapRefused(
      'ldap-plain',
      'The password and every hash would cross the network unencrypted. Use ldaps:// or StartTLS.',
    );
  return { url, encrypted };
}

async function tlsOptions(options: LdapOptions, host: string): Promise<ConnectionOptions> {
  const ca = options.caFile === undefined ? undefined : await readFile(options.caFile);
  // An address has no server name to send (RFC 6066 §3); its certificate is checked all the same.
  const servername = /^[0-9.]+$|^\[/.test(host) ? {} : { servername: host };
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    host: host.replace(/^\[|\]$/g, ''),
    ...servername,
    ...(ca ? { ca } : {}),
  };
}

async function* readDirectory(options: LdapOptions, url: URL, encrypted: boolean): AsyncGenerator<LdifEntry> {
  const timeout = options.timeoutMs ?? 30_000;
  const tls = encrypted ? await tlsOptions(options, url.hostname) : undefined;
  const client = new Client({
    url: `${url.protocol}//${url.host}`,
    timeout,
    connectTimeout: timeout,
    ...(tls && !options.startTls ? { tlsOptions: tls } : {}),
  });
  try {
    await connect(client, options, tls, timeout);
    yield* readPages(client, options);
  } finally {
    await client.unbind().catch(() => undefined);
  }
}

async function connect(
  client: Client,
  options: LdapOptions,
  tls: ConnectionOptions | undefined,
  timeout: number,
): Promise<void> {
  try {
    if (options.startTls && tls) await within(timeout, client.startTLS(tls));
    await within(timeout, client.bind(options.bindDn, options.password));
  } catch (error) {
    throw new LdapRefused('ldap-connect', `The directory could not be opened: ${describe(error)}`, error);
  }
}

/** The library's own time limit does not cover the TLS handshake. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

/**
 * The subtree page by page. Done here rather than by the library's `searchPaginated`, which ends without a word
 * when a page has no entries or comes without the paging control: exactly the short reads that must not pass.
 */
async function* readPages(client: Client, options: LdapOptions): AsyncGenerator<LdifEntry> {
  const size = options.pageSize ?? 500;
  let cookie: Buffer | undefined;
  let total = 0;
  let empty = 0;
  do {
    const page = await readPage(client, options.baseDn, size, cookie);
    for (const entry of page.entries) yield entry;
    total += page.entries.length;
    empty = page.entries.length === 0 ? empty + 1 : 0;
    if (empty > MAX_EMPTY_PAGES)
      throw new SourceIncomplete('ldap-pages', 'The directory sends one empty page after the other.');
    cookie = page.cookie;
  } while (cookie);
  if (total === 0)
    throw new SourceIncomplete(
      'ldap-empty',
      'The directory shows nothing below this base. Check the base and the rights of the account.',
    );
}

/**
 * What the library keeps to itself: its public search hides an answer's controls, and with them whether there
 * is a next page. The version is pinned, and the tests read a real directory through this.
 */
interface Wire {
  _nextMessageId(): number;
  _send(request: SearchRequest): Promise<SearchResponse>;
}

async function readPage(
  client: Client,
  baseDn: string,
  size: number,
  cookie: Buffer | undefined,
): Promise<{ entries: LdifEntry[]; cookie: Buffer | undefined }> {
  const wire = client as unknown as Wire;
  const control = new PagedResultsControl({ critical: true, value: { size, ...(cookie ? { cookie } : {}) } });
  const request = new SearchRequest({
    messageId: wire._nextMessageId(),
    baseDN: baseDn,
    scope: 'sub',
    filter: new PresenceFilter({ attribute: 'objectClass' }),
    attributes: ['*', '+'],
    controls: [control],
  });
  let answer: SearchResponse;
  try {
    answer = await wire._send(request);
  } catch (error) {
    throw new SourceIncomplete('ldap-broken', `Reading broke off: ${describe(error)}`, error);
  }
  if (answer.status !== 0) throw short(answer.status, answer.errorMessage);
  if (answer.searchReferences.length > 0)
    throw new SourceIncomplete(
      'ldap-referral',
      'Part of this tree is on another server, which is not asked. Choose a base that is wholly here.',
    );
  const paging = answer.controls?.find((found) => found instanceof PagedResultsControl);
  if (!paging)
    throw new SourceIncomplete('ldap-pages', 'An answer came without saying whether there is more.');
  const next = paging.value?.cookie;
  return {
    entries: answer.searchEntries.map((entry) => ({
      dn: entry.name,
      attributes: asBytes(entry.attributes),
    })),
    cookie: next && next.length > 0 ? next : undefined,
  };
}

function asBytes(
  attributes: readonly { type: string; parsedBuffers?: Buffer[]; values: (Buffer | string)[] }[],
): Map<string, Buffer[]> {
  const map = new Map<string, Buffer[]>();
  for (const { type, parsedBuffers, values } of attributes) {
    const name = type.toLowerCase().replace(/;.*$/s, '');
    const bytes =
      parsedBuffers ?? values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value));
    map.set(name, [...(map.get(name) ?? []), ...bytes]);
  }
  return map;
}

const shortReads: Record<number, [code: string, text: string]> = {
  3: ['ldap-time-limit', 'The directory stopped at its time limit.'],
  4: ['ldap-size-limit', 'The directory stopped at its size limit. Bind as an account without one.'],
  10: ['ldap-referral', 'The directory refers to another server, which is not asked.'],
  11: [
    'ldap-size-limit',
    'The directory stopped at a limit set by its administrator. Bind as an account without one.',
  ],
  12: ['ldap-no-paging', 'The directory cannot be read in pages.'],
  32: ['ldap-base', 'There is no such base in this directory, or this account may not see it.'],
  50: ['ldap-rights', 'This account may not read the directory.'],
};

function short(status: number, message: string): SourceIncomplete {
  const [code, text] = shortReads[status] ?? ['ldap-broken', `The directory answered with code ${status}.`];
  return new SourceIncomplete(code, message ? `${text} (${message.slice(0, 200)})` : text);
}

function describe(error: unknown): string {
  if (error instanceof ResultCodeError && error.code === 49) return 'name or password are not right.';
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, 300);
}
