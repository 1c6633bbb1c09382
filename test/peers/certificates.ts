/** A certificate authority of a test's own, made with openssl, and what it signs for this machine. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificates {
  /** PEM: the authority's certificate. */
  caFile: string;
  /** PEM: a certificate for localhost and 127.0.0.1, signed by the authority. */
  certificateFile: string;
  keyFile: string;
}

/** Why no certificates can be made here, or undefined when they can. */
export function opensslMissing(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  if (folders.some((folder) => existsSync(path.join(folder, 'openssl')))) return undefined;
  return 'skipped: openssl is not installed (Debian package openssl)';
}

/** Makes both in a folder that is there. They hold for two days. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const file = (name: string) => path.join(directory, name);
  // Servers that give up root read the authority's certificate as someone else; the keys stay unreadable to them.
  await chmod(directory, 0o711);
  const make = (name: string, subject: string, more: string[]) =>
    run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-subj', `/CN=${subject}`],
      ...more,
    ]);
  await make('ca', 'Test authority', []);
  await make('server', 'localhost', [
    ...['-CA', file('ca.pem'), '-CAkey', file('ca.key')],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  ]);
  return { caFile: file('ca.pem'), certificateFile: file('server.pem'), keyFile: file('server.key') };
}

/** From now on this process believes the authority, beside those it knew; every connection is still verified. */
export function trustAuthority(caFile: string): void {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(caFile, 'utf8')]);
}
