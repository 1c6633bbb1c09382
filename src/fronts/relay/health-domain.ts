/** What DNS says of one domain: where its mail goes, who may send as it, what proves that, and what others should do. */
import {
  type DnsRecord,
  type HealthCheck,
  type HealthCheckName,
  type HealthState,
  looked,
} from './health-checks.ts';
import type { Records } from './records.ts';
import { isNear, lookAtSpf, mechanismOf, type SpfLook } from './spf-records.ts';

/** A key we sign with. */
export interface HealthKey {
  domain: string;
  selector: string;
  state: 'next' | 'active' | 'retiring';
  /** The text of its record. */
  record: string;
}

export interface DomainGround {
  records: Records;
  /** The name this server goes by. */
  smtpName: string;
  /** Hosts of the servers mail leaves through. */
  hosts: readonly string[];
  keys: readonly HealthKey[];
}

type Use = 'alias' | 'own';

/** Everything about a domain that is used so. */
export async function lookAtDomain(
  ground: DomainGround,
  domain: string,
  uses: readonly Use[],
): Promise<HealthCheck[]> {
  const isAlias = uses.includes('alias');
  const looks: [HealthCheckName, () => Promise<HealthCheck[]>][] = [
    ['mx', () => (isAlias ? lookAtExchange(ground, domain) : lookAtOtherExchange(ground, domain))],
    ['spf', () => lookAtSenders(ground, domain)],
    ['dkim', () => lookAtKeys(ground, domain)],
    ['dmarc', () => lookAtPolicy(ground, domain)],
    ['mta-sts', () => lookAtOptional(ground, domain)],
  ];
  if (isAlias) looks.push(['verification', () => lookAtVerification(ground, domain)]);
  return (await Promise.all(looks.map(([check, look]) => looked(check, domain, look)))).flat();
}

function one(
  check: HealthCheckName,
  about: string,
  state: HealthState,
  text: string,
  found: string[] = [],
  publish?: DnsRecord,
): HealthCheck[] {
  return [{ check, about, state, text, found, ...(publish && { publish }) }];
}

const plain = (name: string) => name.toLowerCase().replace(/\.$/, '');

async function lookAtExchange({ records, smtpName }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const exchanges = await records.mx(domain);
  const found = exchanges.map(({ priority, exchange }) => `${priority} ${exchange || '.'}`);
  const publish: DnsRecord = { type: 'MX', name: domain, value: `10 ${smtpName}.` };
  if (exchanges.length === 0)
    return one(
      'mx',
      domain,
      'bad',
      'Nothing says where its mail goes, so none arrives. Publish this.',
      found,
      publish,
    );
  const ours = new Set(await records.addresses(smtpName));
  const isHere = await Promise.all(
    exchanges.map(async ({ exchange }) => {
      if (plain(exchange) === plain(smtpName)) return true;
      return exchange !== '' && (await records.addresses(exchange)).some((address) => ours.has(address));
    }),
  );
  if (isHere.every(Boolean)) return one('mx', domain, 'good', 'Its mail comes here.', found);
  if (isHere.some(Boolean))
    return one(
      'mx',
      domain,
      'warning',
      'Some of its mail goes elsewhere. Unless that is a Postfix of yours that asks us, publish this record alone.',
      found,
      publish,
    );
  return one(
    'mx',
    domain,
    'warning',
    'Its mail does not come here. Unless a Postfix of yours takes it and asks us, publish this.',
    found,
    publish,
  );
}

/** Answers and reports to our own mail go to its domain, wherever that is. */
async function lookAtOtherExchange({ records }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const exchanges = await records.mx(domain);
  const found = exchanges.map(({ priority, exchange }) => `${priority} ${exchange || '.'}`);
  const takes =
    exchanges.some(({ exchange }) => exchange !== '') || (await records.addresses(domain)).length > 0;
  return takes
    ? one('mx', domain, 'good', 'Answers to our own mail have somewhere to go.', found)
    : one(
        'mx',
        domain,
        'warning',
        'The domain of our own mail takes no mail. Some servers refuse senders that cannot be answered.',
        found,
      );
}

const spfTexts: Record<SpfLook['state'], readonly [HealthState, string]> = {
  covers: ['good', 'It lets the servers send that our mail leaves through.'],
  lacks: ['bad', 'It does not let every server send that our mail leaves through. Publish it like this.'],
  none: ['bad', 'Nothing says who may send as this domain, so mail is taken for forged. Publish this.'],
  several: ['bad', 'There are several SPF records, which counts as none. Leave one.'],
  'too-many-lookups': [
    'bad',
    'It asks for more than ten lookups, so receivers do not read it to the end. Shorten it.',
  ],
  broken: ['bad', 'It cannot be read. Look for a network or a word that is misspelt.'],
};

async function lookAtSenders({ records, hosts }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const near = hosts.filter(isNear);
  const look = await lookAtSpf(
    records,
    domain,
    hosts.filter((host) => !isNear(host)),
  );
  const found = (await records.txt(domain)).filter((text) => /^v=spf1/i.test(text));
  if (hosts.length === 0)
    return one(
      'spf',
      domain,
      'note',
      'No mail server takes what leaves, so nobody needs to be let send yet.',
      found,
    );
  const [state, text] = spfTexts[look.state];
  const servers = near.join(', ');
  const unseen = `With which address mail leaves ${servers} cannot be seen from here; the record has to let it send.`;
  if (near.length > 0 && look.state === 'covers') return one('spf', domain, 'note', unseen, found);
  const sentences = [
    text,
    near.length > 0 && unseen,
    look.state === 'lacks' && `What is missing: ${look.missing.map(mechanismOf).join(' ')}`,
  ];
  const ends =
    near.length > 0 && look.state === 'none'
      ? ` ip4:(the address mail leaves ${servers} with) ~all`
      : ' ~all';
  const value = look.wanted?.replace(/ ~all$/, ends);
  const publish = value && ({ type: 'TXT', name: domain, value } as const);
  return one('spf', domain, state, sentences.filter(Boolean).join(' '), found, publish || undefined);
}

async function lookAtKeys({ records, keys }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const own = keys.filter((key) => key.domain === domain);
  if (own.length === 0)
    return one(
      'dkim',
      domain,
      'warning',
      'No key of ours signs for this domain. Where the smart host signs for it that is enough; else make one.',
    );
  const looks = await Promise.all(
    own.map((key) => looked('dkim', `${key.selector}._domainkey.${domain}`, () => lookAtKey(records, key))),
  );
  return looks.flat();
}

const tagOf = (record: string, tag: string) =>
  record
    .split(';')
    .map((part) => part.split('='))
    .find(([name]) => name?.trim() === tag)
    ?.slice(1)
    .join('=')
    .replaceAll(/\s/g, '');

async function lookAtKey(records: Records, key: HealthKey): Promise<HealthCheck[]> {
  const name = `${key.selector}._domainkey.${key.domain}`;
  const found = await records.txt(name);
  const publish: DnsRecord = { type: 'TXT', name, value: key.record };
  const wanted = tagOf(key.record, 'p');
  if (found.some((text) => tagOf(text, 'p') === wanted)) {
    const text =
      key.state === 'next'
        ? 'The next key stands in DNS and can be used.'
        : 'The key we sign with stands in DNS.';
    return one('dkim', name, 'good', text, found);
  }
  if (key.state === 'retiring')
    return one(
      'dkim',
      name,
      'note',
      'A key that signs no more is gone from DNS; what it signed can be checked no more.',
      found,
    );
  if (found.length > 0)
    return one(
      'dkim',
      name,
      'bad',
      'Another key stands in DNS than the one we have. Publish this instead.',
      found,
      publish,
    );
  return key.state === 'next'
    ? one(
        'dkim',
        name,
        'warning',
        'The next key does not stand in DNS yet. Publish it; then it can be used.',
        found,
        publish,
      )
    : one(
        'dkim',
        name,
        'bad',
        'The key we sign with does not stand in DNS: its signatures count for nothing. Publish it.',
        found,
        publish,
      );
}

/** The record of the domain, or of the nearest above it (RFC 7489 §6.6.3). */
async function lookAtPolicy({ records }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const labels = domain.split('.');
  const publish: DnsRecord = {
    type: 'TXT',
    name: `_dmarc.${domain}`,
    value: `v=DMARC1; p=none; rua=mailto:postmaster@${domain}`,
  };
  for (let at = 0; at < labels.length - 1; at += 1) {
    const holder = labels.slice(at).join('.');
    const found = (await records.txt(`_dmarc.${holder}`)).filter((text) => /^v=DMARC1\s*(?:;|$)/.test(text));
    if (found.length === 0) continue;
    if (found.length > 1)
      return one(
        'dmarc',
        domain,
        'bad',
        `There are several DMARC records at _dmarc.${holder}, which counts as none. Leave one.`,
        found,
      );
    const record = found[0]!;
    const policy = (at > 0 && tagOf(record, 'sp')) || tagOf(record, 'p');
    const from = at > 0 ? `, said by ${holder} for everything below it` : '';
    if (policy === 'none' || policy === undefined)
      return one(
        'dmarc',
        domain,
        'good',
        `It asks for reports and refuses nothing (p=none)${from}. Tighten it when reports show that all mail is proved.`,
        found,
      );
    return one(
      'dmarc',
      domain,
      'good',
      `Mail that is not proved is to be ${policy === 'reject' ? 'refused' : 'set aside'} (p=${policy})${from}.`,
      found,
    );
  }
  return one(
    'dmarc',
    domain,
    'warning',
    'Nothing says what receivers should do with forged mail, which the large ones ask of everyone who sends much. Publish this to begin with.',
    [],
    publish,
  );
}

async function lookAtOptional({ records }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const looks = [
    [
      'mta-sts',
      `_mta-sts.${domain}`,
      /^v=STSv1/,
      'Senders are told to insist on encryption (MTA-STS).',
      'No MTA-STS record; nothing hangs on it.',
    ],
    [
      'tls-rpt',
      `_smtp._tls.${domain}`,
      /^v=TLSRPTv1/,
      'Senders report trouble with encryption (TLS-RPT).',
      'No TLS-RPT record; nothing hangs on it.',
    ],
  ] as const;
  const checks = await Promise.all(
    looks.map(([check, name, form, there, away]) =>
      looked(check, name, async () => {
        const found = (await records.txt(name)).filter((text) => form.test(text));
        return one(check, name, 'note', found.length > 0 ? there : away, found);
      }),
    ),
  );
  return checks.flat();
}

async function lookAtVerification({ records }: DomainGround, domain: string): Promise<HealthCheck[]> {
  const found = (await records.txt(domain)).filter((text) => /^atlassian-domain-verification=/.test(text));
  const text =
    found.length > 0
      ? 'The record Atlassian asks for to show that the domain is yours stands there. Leave it.'
      : 'There is no record of Atlassian’s. It is needed where accounts there are managed under this domain; Atlassian shows it.';
  return one('verification', domain, 'note', text, found);
}
