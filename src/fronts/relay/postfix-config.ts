/**
 * The configuration for a Postfix that passes mail on instead of us: a commented main.cf that asks our lookups, our policy
 * service and our milter. Written for Postfix 3.7 and later; holds no password.
 */
import type { SmartHost } from '#kit/smtp/line.ts';
import { readSmartHost } from '#kit/smtp/smart-hosts.ts';
import { judgedContext, whyNotByPostfix } from './policy-server.ts';
import type { RelayApp } from './settings-kept.ts';
import { reportsDomain } from './socketmap-server.ts';

export interface PostfixConfigInput {
  /** Of alias mailboxes. */
  domains: readonly string[];
  apps: readonly RelayApp[];
  /** What the server calls itself. */
  name: string;
  /** Domain of our own mail, whose postmaster is reached here as well. */
  mailDomain: string;
  /** Where we are asked. */
  backend: { host: string; socketmapPort: number; policyPort: number; milterPort: number };
  /** As in the settings; passwords are left out. */
  smartHosts: readonly string[];
  tls?: { cert: string; key: string };
}

const passwords = '/etc/postfix/gatehouse.passwd';
const defaultLargest = 25_000_000;

/** A whole main.cf. Throws RangeError where a smart host is not written as one. */
export function postfixConfig(input: PostfixConfigInput): string {
  return [
    '# main.cf: mail to alias mailboxes, decided by Gatehouse. Made by "gatehouse relay postfix-config".',
    '# All of /etc/postfix/main.cf for a Postfix that does nothing else. In one that stays, settings of the same name go.',
    'compatibility_level = 3.6',
    `myhostname = ${input.name}`,
    ...recipients(input),
    ...senders(input),
    ...messages(input),
    ...exactness(input),
    ...encryption(input),
    ...wayOut(input.smartHosts.map(readSmartHost)),
    '',
  ].join('\n');
}

const section = (title: string, ...words: string[]) => [
  '',
  `# ${title}`,
  ...words.map((line) => `# ${line}`),
];

function recipients({ domains, mailDomain, backend }: PostfixConfigInput): string[] {
  return [
    ...section(
      'Whom mail is for.',
      'Gatehouse is asked for every address. While it is away the answer is "try again later", never "unknown".',
    ),
    'mydestination =',
    '# Of names without a domain only postmaster is taken: the one here.',
    `myorigin = ${mailDomain}`,
    `virtual_alias_domains = ${domains.join(', ')}`,
    `virtual_alias_maps = socketmap:inet:${bracketed(backend.host)}:${backend.socketmapPort}:alias`,
    '# Reports that come back end here once Gatehouse has read them: nobody is told where a mailbox leads.',
    `transport_maps = inline:{ ${reportsDomain}=discard: }`,
    'notify_classes =',
    '# Nothing is delivered on this machine.',
    'alias_maps =',
    'alias_database =',
  ];
}

function senders({ apps, domains, mailDomain, backend }: PostfixConfigInput): string[] {
  const asked = `inet:${bracketed(backend.host)}:${backend.policyPort}`;
  const policy = `check_policy_service { ${asked}, timeout=40s, { default_action=451 4.3.0 Not ready at the moment }, policy_context=${judgedContext} }`;
  // Of the domain of our own mail these two alone: Postfix takes nothing else there, whatever it is told.
  const operators = domains.includes(mailDomain)
    ? ''
    : `check_recipient_access inline:{ postmaster@${mailDomain}=permit, abuse@${mailDomain}=permit }, `;
  const left = apps.flatMap(({ id, settings }) => {
    const why = whyNotByPostfix(settings);
    return why === undefined ? [] : [`#   ${id}: ${why}`];
  });
  return [
    ...section(
      'Who may write.',
      'The same decision as of the relay that Gatehouse brings along, as soon as a recipient is named.',
    ),
    ...(left.length > 0 ? ['# Not let in here:', ...left] : []),
    `smtpd_relay_restrictions = ${policy}, ${operators}reject_unauth_destination`,
    'smtpd_sender_restrictions = reject_non_fqdn_sender',
    'smtpd_recipient_restrictions =',
    '# One recipient at a time, so that each gets an answer of its own.',
    'smtpd_recipient_limit = 1',
  ];
}

function messages({ backend }: PostfixConfigInput): string[] {
  return [
    ...section(
      'What they may write, decided when a message is there and before it is taken: From, SPF, DKIM, DMARC, classes,',
      'budgets. Gatehouse adds what it found proved and the ARC seal, and puts its return address (SRS) in.',
      'Other milters may stand before it. Without this one the policy service lets nothing in.',
    ),
    `smtpd_milters = inet:${bracketed(backend.host)}:${backend.milterPort}`,
    'milter_protocol = 6',
    'milter_default_action = tempfail',
    '# It also reads what this Postfix reports of mail that it could not hand on.',
    'non_smtpd_milters = $smtpd_milters',
    'internal_mail_filter_classes = bounce',
  ];
}

function exactness({ apps }: PostfixConfigInput): string[] {
  const largest = Math.max(...apps.map(({ settings }) => settings.maxBytes), 0) || defaultLargest;
  return [
    ...section('No second reading of a message or an address, and nothing changed that a sender has signed.'),
    'mynetworks =',
    'smtpd_helo_required = yes',
    'disable_vrfy_command = yes',
    'strict_rfc821_envelopes = yes',
    'allow_percent_hack = no',
    'swap_bangpath = no',
    'smtputf8_enable = no',
    'recipient_delimiter =',
    'smtpd_discard_ehlo_keywords = chunking, dsn, etrn, silent-discard',
    '# From Postfix 3.9 on "normalize" is a gentler choice.',
    'smtpd_forbid_bare_newline = yes',
    'smtpd_data_restrictions = reject_unauth_pipelining',
    'local_header_rewrite_clients =',
    'message_drop_headers =',
    'disable_mime_output_conversion = yes',
    'smtp_line_length_limit = 0',
    'hopcount_limit = 30',
    `message_size_limit = ${largest}`,
    '# A message that cannot be handed on for a day has failed.',
    'maximal_queue_lifetime = 1d',
    'bounce_queue_lifetime = 1d',
  ];
}

function encryption({ tls }: PostfixConfigInput): string[] {
  const words = section('Encryption towards senders.');
  if (!tls)
    return [...words, '# smtpd_tls_chain_files = KEY, CERTIFICATE', '# smtpd_tls_security_level = may'];
  return [
    ...words,
    'smtpd_tls_security_level = may',
    `smtpd_tls_chain_files = ${tls.key}, ${tls.cert}`,
    'smtpd_tls_loglevel = 1',
  ];
}

function wayOut(hosts: readonly SmartHost[]): string[] {
  const [first, ...others] = hosts;
  const words = section('The way out: the smart hosts of Gatehouse, the next where one is away.');
  if (!first) return [...words, '# No smart host is set (GATEHOUSE_SMTP_URL): Postfix delivers by itself.'];
  const policies = hosts.map((one) => `{ ${nextHop(one)} = ${one.tls === 'none' ? 'none' : 'secure'} }`);
  const isMixed = hosts.some((one) => (one.tls === 'from the start') !== (first.tls === 'from the start'));
  return [
    ...words,
    `relayhost = ${nextHop(first)}`,
    ...(others.length > 0 ? [`smtp_fallback_relay = ${others.map(nextHop).join(', ')}`] : []),
    '# Off this machine nothing travels in the clear, and the certificate has to hold.',
    'smtp_tls_security_level = secure',
    `smtp_tls_policy_maps = inline:{ ${policies.join(', ')} }`,
    'smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt',
    ...(first.tls === 'from the start' ? ['smtp_tls_wrappermode = yes'] : []),
    ...(isMixed
      ? ['# smtps:// and smtp:// do not go together in one Postfix: leave out those of one kind.']
      : []),
    ...(hosts.some((one) => one.auth)
      ? [
          `# Write one line a server into ${passwords}, readable by root alone:`,
          ...hosts.filter((one) => one.auth).map((one) => `#   ${nextHop(one)} USER:PASSWORD`),
          'smtp_sasl_auth_enable = yes',
          'smtp_sasl_security_options = noanonymous',
          `smtp_sasl_password_maps = texthash:${passwords}`,
        ]
      : []),
  ];
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);
const nextHop = ({ host, port }: SmartHost) => `[${host.includes(':') ? `IPv6:${host}` : host}]:${port}`;
