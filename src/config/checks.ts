/**
 * What must hold between settings. Each check names the settings it needs and is skipped when one of them could not
 * be read, so that one mistake gives one finding. Outside loopback an insecure combination is refused, not warned of.
 */
import { accessSync, constants } from 'node:fs';
import { isLoopback, type SettingKey, type SettingValues } from './settings.ts';

interface Check {
  needs: readonly SettingKey[];
  /** A sentence, or nothing when all is well. */
  find(values: SettingValues, known: { demo: boolean }): string | undefined;
}

const hostOf = (url: string) => new URL(url).hostname;
const isPlain = (url: string) => url.startsWith('http:');

/** True when anyone beyond this machine can reach us, by our own listener or through a proxy. */
export function isExposed(values: Pick<SettingValues, 'host' | 'publicUrl'>): boolean {
  return !isLoopback(values.host) || !isLoopback(hostOf(values.publicUrl));
}

const portKeys = [
  'port',
  'ldapPort',
  'ldapsPort',
  'smtpPort',
  'gatewayPort',
  'socketmapPort',
  'policyPort',
  'milterPort',
] as const;

const addresses: readonly Check[] = [
  {
    needs: ['publicUrl'],
    find: ({ publicUrl }) =>
      isPlain(publicUrl) && !isLoopback(hostOf(publicUrl))
        ? `publicUrl must be https, because ${hostOf(publicUrl)} is not this machine alone.`
        : undefined,
  },
  {
    needs: ['issuer', 'publicUrl'],
    find: ({ issuer, publicUrl }) =>
      issuer !== publicUrl && isPlain(issuer) && !isLoopback(hostOf(issuer))
        ? `issuer must be https, because ${hostOf(issuer)} is not this machine alone.`
        : undefined,
  },
  {
    needs: ['host', 'publicUrl'],
    find: ({ host, publicUrl }) =>
      !isLoopback(host) && isLoopback(hostOf(publicUrl))
        ? `host ${host} opens this to other machines while publicUrl ${publicUrl} is this machine alone. Set publicUrl to the https address people use, or keep host at 127.0.0.1.`
        : undefined,
  },
  {
    needs: ['tlsCert', 'tlsKey'],
    find: ({ tlsCert, tlsKey }) =>
      (tlsCert === undefined) !== (tlsKey === undefined)
        ? `tlsCert and tlsKey go together, and ${tlsCert === undefined ? 'tlsCert' : 'tlsKey'} is missing.`
        : undefined,
  },
  ...(['tlsCert', 'tlsKey'] as const).map((key) => ({
    needs: [key],
    find: (values: SettingValues) => unreadable(key, values[key]),
  })),
  {
    needs: ['publicUrl', 'tlsCert'],
    find: ({ publicUrl, tlsCert }) =>
      tlsCert !== undefined && isPlain(publicUrl)
        ? 'publicUrl says http while tlsCert is set. Write it with https, or take the certificate away.'
        : undefined,
  },
  {
    needs: ['publicUrl', 'tlsCert', 'trustedProxies'],
    find: ({ publicUrl, tlsCert, trustedProxies }) =>
      tlsCert === undefined && !isPlain(publicUrl) && trustedProxies.length === 0
        ? 'publicUrl is https, but there is neither a certificate (tlsCert, tlsKey) nor a reverse proxy in front that is trusted. Name the proxy in trustedProxies.'
        : undefined,
  },
  {
    needs: ['port', 'publicUrl'],
    find: ({ port, publicUrl }) =>
      port === 0 && new URL(publicUrl).port === '0'
        ? 'publicUrl is needed when port is 0, because nobody knows the port in advance.'
        : undefined,
  },
  {
    needs: portKeys,
    find(values) {
      const used = portKeys.filter((key) => values[key] !== 0 && values[key] !== undefined);
      const twice = used.find((key, index) =>
        used.slice(0, index).some((other) => values[other] === values[key]),
      );
      if (twice === undefined) return undefined;
      const sharing = used.filter((key) => values[key] === values[twice]);
      return `${sharing.join(' and ')} must differ; each is ${values[twice]}.`;
    },
  },
];

const mail: readonly Check[] = [
  {
    needs: ['aliasDomain', 'mailDomain'],
    find: ({ aliasDomain, mailDomain }) =>
      aliasDomain === mailDomain
        ? `aliasDomain must be a domain of its own, such as people.${mailDomain}: what reaches it is relayed to people, what reaches mailDomain is not.`
        : undefined,
  },
  {
    needs: ['mailBounces', 'aliasDomain'],
    find: ({ mailBounces, aliasDomain }) =>
      mailBounces === 'relay' && !aliasDomain
        ? 'mailBounces can be relay only with an aliasDomain, whose mail comes to the relay.'
        : undefined,
  },
  {
    needs: ['aliasDomain', 'mailFrom', 'mailDomain'],
    find: ({ aliasDomain, mailFrom, mailDomain }) =>
      aliasDomain !== undefined &&
      aliasDomain !== mailDomain &&
      mailFrom.toLowerCase().replace(/>$/, '').endsWith(`@${aliasDomain}`)
        ? 'mailFrom must not be in aliasDomain, whose addresses belong to people.'
        : undefined,
  },
  {
    needs: ['smtpUrl', 'mailUrl', 'host', 'publicUrl'],
    find: (values) =>
      isExposed(values) && !values.smtpUrl && !values.mailUrl
        ? 'smtpUrl is needed: without a mail server nobody can confirm an address.'
        : undefined,
  },
  ...(['smtpUrl', 'mailUrl'] as const).map((key) => ({
    needs: [key, 'host', 'publicUrl'] as const,
    find: (values: SettingValues) =>
      isExposed(values) && values[key]?.reveal() === 'memory:'
        ? `${key} must be a mail server. Keeping mail on a page is for a demo on this machine alone.`
        : undefined,
  })),
  ...(['smtpUrl', 'mailUrl'] as const).map((key) => ({
    needs: [key],
    find: (values: SettingValues) =>
      (values[key]?.reveal().split(',') ?? []).some(tellsPassword)
        ? `${key} would send its password without encryption. Use smtps://, or add ?requireTLS=true.`
        : undefined,
  })),
  {
    needs: ['smtpTlsCert', 'smtpTlsKey'],
    find: ({ smtpTlsCert, smtpTlsKey }) =>
      (smtpTlsCert === undefined) !== (smtpTlsKey === undefined)
        ? `smtpTlsCert and smtpTlsKey go together, and ${smtpTlsCert === undefined ? 'smtpTlsCert' : 'smtpTlsKey'} is missing.`
        : undefined,
  },
  ...(['smtpTlsCert', 'smtpTlsKey'] as const).map((key) => ({
    needs: [key],
    find: (values: SettingValues) => unreadable(key, values[key]),
  })),
];

/** Whether a password would travel in the clear to this server. */
function tellsPassword(text: string): boolean {
  const url = URL.parse(text.trim());
  if (url?.protocol !== 'smtp:' || !url.password || isLoopback(url.hostname)) return false;
  return url.searchParams.get('requireTLS') !== 'true';
}

/** The least work OWASP's password storage cheat sheet asks of argon2id: its five settings, as memory × passes. */
const leastArgon2 = { memoryKiB: 7168, work: 35_840 };

const protection: readonly Check[] = [
  {
    needs: ['argon2MemoryKiB', 'argon2Passes', 'host', 'publicUrl'],
    find: (values) =>
      isExposed(values) &&
      (values.argon2MemoryKiB < leastArgon2.memoryKiB ||
        values.argon2MemoryKiB * values.argon2Passes < leastArgon2.work)
        ? 'argon2MemoryKiB and argon2Passes are too low outside this machine. Use at least 19456 with 2 passes, or 7168 with 5.'
        : undefined,
  },
  {
    needs: ['signInFloorMs', 'host', 'publicUrl'],
    find: (values) =>
      isExposed(values) && values.signInFloorMs < 100
        ? 'signInFloorMs must be at least 100 outside this machine, or the time of an answer tells who has an account.'
        : undefined,
  },
  {
    needs: ['previousMasterKeyFiles'],
    find: ({ previousMasterKeyFiles }) =>
      previousMasterKeyFiles.map((file) => unreadable('previousMasterKeyFiles', file)).find(Boolean),
  },
  {
    needs: ['host', 'publicUrl'],
    find: ({ host, publicUrl }, { demo }) =>
      demo && !(isLoopback(host) && isLoopback(hostOf(publicUrl)))
        ? 'The demo stays on this machine, because its passwords are known to everyone. Take host and publicUrl away, or use `gatehouse serve`.'
        : undefined,
  },
];

function unreadable(key: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    accessSync(file, constants.R_OK);
    return undefined;
  } catch {
    return `${key} names ${file}, which cannot be read.`;
  }
}

/** Every sentence that must be said about these values; none when they fit together. */
export function crossCheck(
  values: SettingValues,
  broken: ReadonlySet<SettingKey>,
  known: { demo: boolean },
): string[] {
  return [...addresses, ...mail, ...protection]
    .filter((check) => !check.needs.some((key) => broken.has(key)))
    .flatMap((check) => check.find(values, known) ?? []);
}
