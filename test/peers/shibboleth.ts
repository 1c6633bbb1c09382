/**
 * The daemon of a real Shibboleth service provider for tests, beside an Apache with mod_shib: configuration and log in a
 * folder of the test's own, in the foreground as a child. Needs the Debian package libapache2-mod-shib.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const program = '/usr/sbin/shibd';

/** Why it cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function shibbolethMissing(): string | undefined {
  if (existsSync(program)) return undefined;
  return `skipped: ${program} is not installed (Debian package libapache2-mod-shib)`;
}

export interface ShibbolethOptions {
  /** A folder that is there; Apache reads it, too. */
  directory: string;
  /** Where the daemon listens for Apache, on 127.0.0.1. */
  port: number;
  entityId: string;
  /** Files: the app's key and certificate, and the metadata of the identity provider. */
  keyFile: string;
  certificateFile: string;
  idpFile: string;
  idpEntityId: string;
  /** Attributes by basic names that become variables of the same name. */
  attributes: readonly string[];
}

export interface Shibboleth {
  /** For `ShibConfig`. */
  configurationFile: string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the daemon and waits until it answers. Throws with its own words. */
export async function startShibboleth(options: ShibbolethOptions): Promise<Shibboleth> {
  const file = (name: string) => path.join(options.directory, name);
  for (const name of ['shibd', 'native'])
    await writeFile(file(`${name}.logger`), logger(file(`${name}.log`)));
  await writeFile(file('attribute-map.xml'), attributeMap(options.attributes));
  await writeFile(file('shibboleth2.xml'), configuration(options));
  const daemon = spawn(program, ['-f', '-F', '-c', file('shibboleth2.xml'), '-p', file('shibd.pid')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => void daemon.kill('SIGTERM');
  process.once('exit', end);
  let words = '';
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on('data', (data) => (words += data));
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  const log = async () => words + (await readFile(file('shibd.log'), 'utf8').catch(() => ''));
  async function stop() {
    daemon.kill('SIGTERM');
    const patience = setTimeout(() => daemon.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(patience);
    process.off('exit', end);
  }
  for (let tries = 0; !(await answers(options.port)); tries++) {
    if (daemon.exitCode === null && tries < 400) await sleep(50);
    else {
      const said = await log();
      await stop();
      throw new Error(`shibd did not start: ${said}`);
    }
  }
  return { configurationFile: file('shibboleth2.xml'), log, stop };
}

function logger(target: string): string {
  return `log4j.rootCategory=WARN, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.fileName=${target}
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%p %c %m%n
`;
}

function attributeMap(names: readonly string[]): string {
  const basic = 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic';
  const lines = names.map((name) => `<Attribute name="${name}" nameFormat="${basic}" id="${name}"/>`);
  return `<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <Attribute name="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" id="persistent-id">
      <AttributeDecoder xsi:type="NameIDAttributeDecoder" formatter="$Name" defaultQualifiers="true"/>
    </Attribute>
    ${lines.join('\n    ')}
  </Attributes>`;
}

function configuration(options: ShibbolethOptions): string {
  const file = (name: string) => path.join(options.directory, name);
  const pair = `key="${options.keyFile}" certificate="${options.certificateFile}"`;
  return `<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="60">
    <OutOfProcess logger="${file('shibd.logger')}"/>
    <InProcess logger="${file('native.logger')}"/>
    <TCPListener address="127.0.0.1" port="${options.port}" acl="127.0.0.1"/>
    <ApplicationDefaults entityID="${options.entityId}" REMOTE_USER="username" signing="true" encryption="false">
      <Sessions lifetime="28800" timeout="3600" relayState="ss:mem" checkAddress="false" handlerSSL="true"
          cookieProps="https" redirectLimit="exact">
        <SSO entityID="${options.idpEntityId}">SAML2</SSO>
        <Logout>SAML2 Local</Logout>
        <Handler type="MetadataGenerator" Location="/Metadata" signing="false"/>
      </Sessions>
      <MetadataProvider type="XML" validate="true" path="${options.idpFile}"/>
      <AttributeExtractor type="XML" validate="true" reloadChanges="false" path="${file('attribute-map.xml')}"/>
      <CredentialResolver type="File" use="signing" ${pair}/>
      <CredentialResolver type="File" use="encryption" ${pair}/>
    </ApplicationDefaults>
    <SecurityPolicyProvider type="XML" validate="true" path="security-policy.xml"/>
    <ProtocolProvider type="XML" validate="true" reloadChanges="false" path="protocols.xml"/>
  </SPConfig>`;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
