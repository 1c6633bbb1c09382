/**
 * Whether mail can come and go: what DNS says of the domains we send from and pass mail on for, our certificate, and the
 * servers that take what leaves. Each finding says what is there and, where a record is wanted, what to publish.
 */
import { X509Certificate } from 'node:crypto';
import { standingOf } from '#kit/net/destinations.ts';
import { type DnsRecord, type HealthCheck, looked } from './health-checks.ts';
import { type DomainGround, lookAtDomain } from './health-domain.ts';
import { type Records, reversed } from './records.ts';

export interface DomainHealth {
  domain: string;
  /** `alias`: of alias mailboxes; `own`: of our own mail. */
  uses: ('alias' | 'own')[];
  checks: HealthCheck[];
}

export interface MailHealth {
  at: Date;
  domains: DomainHealth[];
  /** The relay's own name, address and certificate. */
  listener: HealthCheck[];
  smartHosts: HealthCheck[];
}

export interface SmartHostLook {
  host: string;
  ok: boolean;
  tls?: string | boolean;
  problem?: string;
  /** What is wrong, as a sentence, where it is known. */
  why?: string;
}

export interface HealthGround extends DomainGround {
  domains: readonly { domain: string; uses: ('alias' | 'own')[] }[];
  /** Certificate chain of the relay (PEM); undefined: one made at the start. */
  certificate?: string;
  /** Asks each smart host whether it would take mail; undefined where there is none. */
  probe?: () => Promise<readonly SmartHostLook[]>;
  records: Records;
  now: Date;
}

/** Looks at everything at once; what cannot be found out is said to be so. */
export async function lookAtHealth(ground: HealthGround): Promise<MailHealth> {
  const relays = ground.domains.some(({ uses }) => uses.includes('alias'));
  const [domains, listener, smartHosts] = await Promise.all([
    Promise.all(
      ground.domains.map(async ({ domain, uses }) => ({
        domain,
        uses: [...uses],
        checks: await lookAtDomain(ground, domain, uses),
      })),
    ),
    relays ? lookAtListener(ground) : [],
    lookAtSmartHosts(ground),
  ]);
  return { at: ground.now, domains, listener, smartHosts };
}

/** The worst there is, for a word that stands for all of it: what nobody knows is worse than what could be better. */
export function worstOf(health: MailHealth): 'good' | 'warning' | 'bad' | 'unanswered' {
  const all = [...health.listener, ...health.smartHosts, ...health.domains.flatMap((one) => one.checks)];
  return (
    (['bad', 'unanswered', 'warning'] as const).find((state) => all.some((one) => one.state === state)) ??
    'good'
  );
}

async function lookAtListener(ground: HealthGround): Promise<HealthCheck[]> {
  const { records, smtpName } = ground;
  const address = await looked('address', smtpName, async () => {
    const found = await records.addresses(smtpName);
    const shape = { check: 'address' as const, about: smtpName, found };
    if (found.some((one) => standingOf(one) !== 'inside'))
      return [{ ...shape, state: 'good', text: 'The name senders are sent to has an address.' }];
    const publish: DnsRecord = { type: 'A', name: smtpName, value: '(the address of this server)' };
    const text =
      found.length > 0
        ? 'The name of this server leads nowhere outside this network, so nobody else can bring mail. Publish its address.'
        : 'The name of this server has no address, so nobody can bring mail. Publish one.';
    return [{ ...shape, state: found.length > 0 ? 'warning' : 'bad', text, publish }];
  });
  // Nobody outside meets an address of this machine or network, and nobody can give it a name there.
  const met = (address[0]?.found ?? []).filter((one) => standingOf(one) !== 'inside');
  const pointers = await Promise.all(
    met.map((one) => looked('ptr', one, () => lookAtPointer(records, one, smtpName))),
  );
  return [...address, ...pointers.flat(), lookAtCertificate(ground)];
}

/** Forward-confirmed reverse DNS: the name of the address is one that has the address. */
async function lookAtPointer(records: Records, address: string, smtpName: string): Promise<HealthCheck[]> {
  const names = (await records.names(address)).slice(0, 10);
  const forward = await Promise.all(names.map((name) => records.addresses(name)));
  const isConfirmed = forward.some((found) => found.includes(address));
  const publish: DnsRecord = { type: 'PTR', name: reversed(address), value: `${smtpName}.` };
  const text = isConfirmed
    ? 'The address resolves back to a name that has it.'
    : 'The address does not resolve back to a name that has it. Few mind where mail leaves through a smart host; whoever gave you the address sets it.';
  const shape = { check: 'ptr' as const, about: address, text, found: names };
  return [isConfirmed ? { ...shape, state: 'good' } : { ...shape, state: 'warning', publish }];
}

const day = 86_400_000;

function lookAtCertificate({ certificate, smtpName, now }: HealthGround): HealthCheck {
  const shape = { check: 'certificate' as const, about: smtpName };
  if (certificate === undefined)
    return {
      ...shape,
      state: 'warning',
      text: 'No certificate is set for the relay, so it makes one that senders cannot check. Most take it; set smtpTlsCert and smtpTlsKey for the others.',
      found: [],
    };
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(certificate);
  } catch {
    return { ...shape, state: 'bad', text: 'The certificate of the relay cannot be read.', found: [] };
  }
  const left = Math.floor((leaf.validToDate.getTime() - now.getTime()) / day);
  const found = [
    `${leaf.subjectAltName ?? leaf.subject}, until ${leaf.validToDate.toISOString().slice(0, 10)}`,
  ];
  if (left < 0)
    return { ...shape, state: 'bad', text: 'The certificate of the relay has ended. Renew it.', found };
  if (leaf.checkHost(smtpName) === undefined)
    return {
      ...shape,
      state: 'warning',
      text: `The certificate does not name ${smtpName}. Senders that check names will not bring mail.`,
      found,
    };
  if (left < 14)
    return { ...shape, state: 'warning', text: `The certificate ends in ${left} days. Renew it.`, found };
  return {
    ...shape,
    state: 'good',
    text: `The certificate names this server and holds ${left} days more.`,
    found,
  };
}

async function lookAtSmartHosts({ probe }: HealthGround): Promise<HealthCheck[]> {
  if (!probe) {
    const text = 'No mail server takes what leaves: nothing is mailed. Set smtpUrl.';
    return [{ check: 'smart-host', about: 'smtpUrl', state: 'bad', text, found: [] }];
  }
  return (await probe()).map(({ host, ok, tls, problem, why }) => ({
    check: 'smart-host',
    about: host,
    state: ok ? 'good' : 'bad',
    text: ok
      ? `It answers${tls ? `, encrypted${typeof tls === 'string' ? ` (${tls})` : ''}` : ' on this machine'}, and lets us in.`
      : why
        ? `${why} Until then mail waits, and senders are told to come again.`
        : 'It would take no mail from us now. Mail waits, and senders are told to come again.',
    found: problem === undefined ? [] : [problem],
  }));
}
