/** Settings of mail: what we send ourselves, and what the relay takes for alias mailboxes and passes on. */
import * as kinds from './kinds.ts';
import { isLoopback, setting } from './setting.ts';

function mailDomainOf(publicUrl: unknown): string {
  const { hostname } = new URL(String(publicUrl));
  return kinds.mailDomain.schema.safeParse(hostname).success && !isLoopback(hostname)
    ? hostname
    : 'gatehouse.test';
}

/** Where the relay listens. */
export const relayPlaces = {
  smtpPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_PORT',
    text: 'Port of the relay that takes mail for alias mailboxes. It listens once there is a domain of alias mailboxes; mail we send goes to `smtpUrl`.',
    example: '25',
    default: 1025,
  }),
  smtpHost: setting(kinds.bindHost, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_HOST',
    text: 'Address the relay listens on.',
    example: '0.0.0.0',
    derived: { from: ['host'], make: (known) => String(known.host), text: 'as `host`' },
  }),
  smtpName: setting(kinds.hostName, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_NAME',
    text: 'The name this server goes by among mail servers: what it greets with, and what its address should resolve back to.',
    example: 'mx.example.org',
    derived: {
      from: ['publicUrl'],
      make: (known) => mailNameOf(known.publicUrl),
      text: 'the host of the public URL',
    },
  }),
  smtpTlsCert: setting(kinds.filePath, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_TLS_CERT',
    text: 'Certificate chain (PEM) of the relay, read again when the file changes. Without it the one of `tlsCert`, and without that one made at the start, which senders cannot check.',
    example: '/etc/gatehouse/tls/mx-fullchain.pem',
  }),
  smtpTlsKey: setting(kinds.filePath, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_TLS_KEY',
    text: 'Private key (PEM) of that certificate.',
    example: '/etc/gatehouse/tls/mx-privkey.pem',
  }),
  smtpBackendHost: setting(kinds.bindHost, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SMTP_BACKEND_HOST',
    text: 'Address a Postfix of yours asks us at (`socketmapPort`, `policyPort`, `milterPort`). Whoever reaches it learns where alias mailboxes lead.',
    example: '10.20.0.5',
    default: '127.0.0.1',
  }),
  socketmapPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_SOCKETMAP_PORT',
    text: 'Port of lookups for Postfix (socketmap). Without it they are not served.',
    example: '10023',
  }),
  policyPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_POLICY_PORT',
    text: 'Port of the policy service for Postfix. Without it it is not served.',
    example: '10024',
  }),
  milterPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_MILTER_PORT',
    text: 'Port of the milter for Postfix. Without it it is not served.',
    example: '10025',
  }),
} as const;

/** What is mailed, by whom, and through whom. */
export const mailSettings = {
  mailDomain: setting(kinds.mailDomain, {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_DOMAIN',
    text: 'The domain our own mail comes from.',
    example: 'example.org',
    derived: {
      from: ['publicUrl'],
      make: (known) => mailDomainOf(known.publicUrl),
      text: 'the host of the public URL; `gatehouse.test` on loopback',
    },
  }),
  aliasDomain: setting(kinds.mailDomain, {
    section: 'Mail',
    env: 'GATEHOUSE_ALIAS_DOMAIN',
    text: 'The domain of alias mailboxes, for nothing else. Without it there are none.',
    example: 'people.example.org',
  }),
  smtpUrl: setting(kinds.mailUrl, {
    section: 'Mail',
    env: 'GATEHOUSE_SMTP_URL',
    text: 'The mail servers (smart hosts) that take what leaves, our own mail and what the relay passes on: `smtps://user:password@host`, or `smtp://user:password@host:587?requireTLS=true`. `@ : / ? # %` and commas in a user or password are percent-encoded. Several with commas between; the next is asked when one cannot take it. Needed outside loopback; on loopback nothing is mailed without it (the demo has a page that catches mail).',
    example: 'smtps://gatehouse:secret@mail.example.org,smtps://gatehouse:secret@mail2.example.org',
    secret: { fileEnv: 'GATEHOUSE_SMTP_URL_FILE' },
  }),
  mailUrl: setting(kinds.mailUrl, {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_URL',
    text: 'The mail server that takes our own mail where it goes another way than what the relay passes on. Written like `smtpUrl`, which is used without it.',
    example: 'smtps://gatehouse:secret@mail.example.org',
    secret: { fileEnv: 'GATEHOUSE_MAIL_URL_FILE' },
  }),
  mailFrom: setting(kinds.mailAddress, {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_FROM',
    text: 'Sender of our mail.',
    example: 'Example accounts <accounts@example.org>',
    derived: {
      from: ['mailDomain'],
      make: (known) => `noreply@${known.mailDomain}`,
      text: '`noreply@` and the mail domain',
    },
  }),
  mailSign: setting(kinds.oneOf('on', 'off'), {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_SIGN',
    text: 'Whether our own mail is signed (DKIM) with the key of its domain, once that key is in use. `off` where the mail server signs it.',
    example: 'off',
    default: 'on',
  }),
  mailBounces: setting(kinds.oneOf('sender', 'relay'), {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_BOUNCES',
    text: 'Where refusals of our own mail come back to: `sender` is the mailbox of `mailFrom`, where people have to read them; with `relay` each mail has a sender of its own in `aliasDomain`, so that the relay reads them and the person is told. For that the domain must lead to the relay, and its SPF record must name the mail server.',
    example: 'relay',
    default: 'sender',
  }),
  mailWebhookKey: setting(kinds.serviceSecret, {
    section: 'Mail',
    env: 'GATEHOUSE_MAIL_WEBHOOK_KEY',
    text: 'Key by which Mailchimp Transactional signs what became of our mail, shown beside the webhook there. Its address is `/mail/hooks/mandrill` below the public URL; without the key it takes nothing.',
    example: 'the-key-shown-beside-the-webhook',
    secret: { fileEnv: 'GATEHOUSE_MAIL_WEBHOOK_KEY_FILE' },
  }),
  dnsServers: setting(kinds.listOf(kinds.nameServer, 'a list of name servers such as 192.0.2.53:53'), {
    section: 'Mail',
    env: 'GATEHOUSE_DNS_SERVERS',
    text: 'Name servers asked about mail (SPF, DKIM, DMARC, the records of our own domains). Without it those of this machine.',
    example: '192.0.2.53:53,[2001:db8::53]:53',
    default: [],
  }),
} as const;

/** A host name that stands in a greeting; the name of this machine alone where the public address is one. */
function mailNameOf(publicUrl: unknown): string {
  const { hostname } = new URL(String(publicUrl));
  return kinds.hostName.schema.safeParse(hostname).success ? hostname : 'localhost';
}
