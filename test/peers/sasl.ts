/**
 * People who may sign in at a Postfix of a test: Cyrus SASL with a database in a folder of the test's own. Needs the
 * Debian packages sasl2-bin and libsasl2-modules.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import path from 'node:path';

const program = '/usr/sbin/saslpasswd2';

/** Why nobody can sign in here, or undefined when they can. Pass as `skip` to a test. */
export function saslMissing(): string | undefined {
  if (!existsSync(program)) return `skipped: ${program} is not installed (Debian package sasl2-bin)`;
  const isThere = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib'].some((folder) =>
    existsSync(`${folder}/sasl2/liblogin.so`),
  );
  return isThere ? undefined : 'skipped: PLAIN and LOGIN are not installed (Debian package libsasl2-modules)';
}

export interface SaslUser {
  /** `name@realm` */
  user: string;
  password: string;
}

/**
 * Makes the database, and what a Postfix is started with to sign people in by it, on an encrypted connection alone.
 * `smtpd_sasl_path` chooses what is offered: `smtpd` PLAIN and LOGIN, `login` LOGIN alone.
 * @param directory of the test; Postfix reads below it
 */
export async function makeSasl(
  directory: string,
  users: readonly SaslUser[],
): Promise<{ main: string; files: Record<string, string> }> {
  const database = path.join(directory, 'sasldb2');
  for (const { user, password } of users) {
    const [name = '', realm = ''] = user.split('@');
    await give(['-p', '-c', '-f', database, '-u', realm, name], password);
  }
  // The process that speaks to the network is no longer root when it reads it.
  await chmod(database, 0o644);
  const how = (mechanisms: string) =>
    `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${database}\nmech_list: ${mechanisms}\n`;
  return {
    main: `smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
smtpd_sasl_auth_enable = yes
smtpd_tls_auth_only = yes`,
    // Where Debian's Postfix looks, whatever cyrus_sasl_config_path says.
    files: { 'sasl/smtpd.conf': how('PLAIN LOGIN'), 'sasl/login.conf': how('LOGIN') },
  };
}

function give(args: readonly string[], password: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.on('data', (data) => (words += data));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`saslpasswd2: ${words}`))));
    child.stdin.end(password);
  });
}
