/**
 * OpenDKIM as a milter on a free loopback port: it refuses what is not signed, or not as the keys it was given say. Needs
 * the Debian package opendkim.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../port.ts';
import { type Milter, startMilter } from './milter.ts';

const program = '/usr/sbin/opendkim';

/** Why it cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function opendkimMissing(): string | undefined {
  return existsSync(program) ? undefined : `skipped: ${program} is not installed (Debian package opendkim)`;
}

export interface OpendkimOptions {
  /** Verify: name of a key's record → its text. */
  keys?: Record<string, string>;
  /** Sign everything, and refuse nothing. */
  sign?: { domain: string; selector: string; privateKey: string };
  /** Verify with the keys of a DNS server, refuse nothing, and say in a header what was found. */
  tell?: { authservId: string; dnsServer: string };
}

export async function startOpendkim({ keys = {}, sign, tell }: OpendkimOptions): Promise<Milter> {
  const folder = await mkdtemp(path.join(tmpdir(), 'opendkim-milter-'));
  const port = await freePort();
  const at = (name: string) => path.join(folder, name);
  const records = Object.entries(keys).map(([name, text]) => `${name} ${text}\n`);
  await writeFile(at('keys'), records.join(''));
  const does = sign
    ? `Mode sv\nDomain ${sign.domain}\nSelector ${sign.selector}\nKeyFile ${at('key')}\nInternalHosts 0.0.0.0/0\nCanonicalization relaxed/relaxed\n`
    : 'Mode v\nOn-NoSignature reject\nOn-BadSignature reject\nOn-KeyNotFound reject\nExternalIgnoreList 192.0.2.1\nInternalHosts 192.0.2.1\n';
  if (sign) await writeFile(at('key'), sign.privateKey, { mode: 0o600 });
  const asked = tell ? `ResolverConfiguration ${at('resolver')}` : `TestPublicKeys ${at('keys')}`;
  if (tell) await writeFile(at('resolver'), resolver(tell.dnsServer));
  await writeFile(
    at('config'),
    `${tell ? teller(tell.authservId) : does}Socket inet:${port}@127.0.0.1\n${asked}\nTemporaryDirectory ${folder}\nSyslog no\nRequireSafeKeys no\n`,
  );
  await chmod(folder, 0o755);
  return startMilter({ program, args: ['-f', '-x', at('config')], port, folder });
}

const teller = (authservId: string) => `Mode v
AuthservID ${authservId}
AlwaysAddARHeader yes
On-Default accept
On-DNSError tempfail
ExternalIgnoreList 240.0.0.1
InternalHosts 240.0.0.1
`;

/** Of unbound, by which it asks; of itself that answers for .test that there is no such domain. */
function resolver(server: string): string {
  return `server:
  do-not-query-localhost: no
  do-ip6: no
  module-config: "iterator"
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: ${server.replace(':', '@')}
`;
}
