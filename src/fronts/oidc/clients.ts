/**
 * Applications as OAuth clients. Kept in memory, renewed at once by NOTIFY and in any case within five seconds.
 * Secrets are compared by hash in the core; the library never holds one. Refuses blank secrets and return addresses
 * whose own query could be taken for our answer.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Client, ClientMetadata, Provider } from 'oidc-provider';
import { isLoopback } from '#core/applications/addresses.ts';
import {
  type Application,
  checkSecret,
  findApplication,
  hashSecret,
  listApplications,
} from '#core/applications/applications.ts';
import { usesSecret } from '#core/applications/client-keys.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import { createFollower } from '#kit/db/follow.ts';
import type { Log } from '#kit/log/log.ts';

import type { AdapterNeeds } from './adapter.ts';
import { isTestOf, testUri } from './test-client.ts';

export { asksConsent, isUnassured } from '#core/applications/consent-asked.ts';

export interface Applications {
  get(id: string): Promise<Application | undefined>;
  /** Origins of apps that run in a browser and hold no secret: the only ones that may read our answers there. */
  browserOrigins(): ReadonlySet<string>;
  /** Keeps the list fresh until stopped. */
  watch(): Promise<() => Promise<void>>;
}

/** The list of applications in memory. */
export function knownApplications(database: Database, log: Log): Applications {
  let known = new Map<string, Application>();
  let origins = new Set<string>();
  async function read(): Promise<void> {
    const list = await database.read(system(), listApplications);
    known = new Map(list.filter((one) => one.settings.oidc).map((one) => [one.id, one]));
    origins = new Set([...known.values()].filter(isPublic).flatMap(originsOf));
  }
  const failed = (error: unknown) =>
    log.warn({ err: error, code: 'applications-unread' }, 'the list of applications could not be read');
  const { watch } = createFollower({ database, channel: 'applications', read, failed });
  return {
    async get(id) {
      const found = known.get(id);
      if (found) return found;
      // Added a moment ago, or nobody: asked directly, and never kept, so that made-up names fill no memory.
      const fresh = await database.read(system(), (tx) => findApplication(tx, id));
      return fresh?.settings.oidc ? fresh : undefined;
    },
    browserOrigins: () => origins,
    watch,
  };
}

function isPublic(application: Application): boolean {
  return application.settings.oidc?.clientAuth === 'none';
}

function originsOf(application: Application): string[] {
  return (application.settings.oidc?.redirectUris ?? []).flatMap((uri) => {
    const { origin } = new URL(uri);
    return origin === 'null' ? [] : [origin];
  });
}

/** The origins of one app, for cross-origin reads of its own answers. */
export function mayReadFrom(application: Application, origin: string): boolean {
  return isPublic(application) && originsOf(application).includes(origin);
}

/** Loopback names whose port may vary for native apps (RFC 8252 §7.3). */
const nativeLoopback = new Set(['localhost', '127.0.0.1', '[::1]']);

function isNativeUri(uri: string): boolean {
  const { protocol, hostname } = new URL(uri);
  return protocol === 'http:' ? nativeLoopback.has(hostname) : protocol !== 'https:';
}

function isRemoteHttps(uri: string): boolean {
  const { protocol, hostname } = new URL(uri);
  return protocol === 'https:' && !isLoopback(hostname);
}

const answerNames = new Set(['code', 'state', 'iss', 'error', 'error_description', 'error_uri', 'response']);

/** A registered query must not hold what we answer with, nor a name twice (RFC 6749 §3.1). */
export function hasPlainQuery(uri: string): boolean {
  const names = [...new URL(uri).searchParams.keys()];
  return new Set(names).size === names.length && !names.some((name) => answerNames.has(name));
}

// Fills the place where the library wants a secret; it is never compared with anything.
const noSecret = randomToken();

function metadataOf(application: Application): ClientMetadata {
  const { settings } = application;
  const oidc = settings.oidc!;
  const redirectUris = oidc.redirectUris.filter(hasPlainQuery);
  const native =
    redirectUris.some(isNativeUri) &&
    redirectUris.every((uri) => isNativeUri(uri) || isRemoteHttps(uri)) &&
    (isPublic(application) || redirectUris.some((uri) => !/^https?:/i.test(uri)));
  const codes = oidc.grants.includes('authorization_code');
  return {
    client_id: application.id,
    client_name: settings.title,
    application_type: native ? 'native' : 'web',
    token_endpoint_auth_method: oidc.clientAuth,
    ...(usesSecret(oidc) && { client_secret: noSecret }),
    ...(oidc.jwks && { jwks: oidc.jwks }),
    ...(oidc.jwksUri && { jwks_uri: oidc.jwksUri }),
    grant_types: [...oidc.grants],
    response_types: codes ? ['code'] : [],
    response_modes: ['query', 'form_post'],
    redirect_uris: redirectUris,
    id_token_signed_response_alg: oidc.idTokenAlg,
    subject_type: 'public',
    dpop_bound_access_tokens: oidc.dpop === 'required',
  };
}

/** The app while its sign-in is tested: it comes back to us, and needs no secret for that (test-client.ts). */
function testMetadataOf(application: Application, redirectUri: string): ClientMetadata {
  const { client_id, client_name, response_modes, id_token_signed_response_alg, subject_type } =
    metadataOf(application);
  return {
    ...{ client_id, client_name, response_modes, id_token_signed_response_alg, subject_type },
    application_type: 'web',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [redirectUri],
  };
}

const applications = new WeakMap<Client, Application>();
const testClients = new WeakSet<Client>();

/** Whether this client stands in for an app that is being tested. */
export function isTestClient(client: Client | undefined): boolean {
  return client !== undefined && testClients.has(client);
}

/** The application behind a client of the library. */
export function applicationOf(client: Client): Application {
  const application = applications.get(client);
  if (!application) throw new Error(`client ${client.clientId} is not one of ours`);
  return application;
}

interface ClientClass {
  new (metadata: ClientMetadata): Client;
  find(id: string): Promise<Client | undefined>;
}

/** Makes the provider find its clients among our applications. */
export function serveClients(
  provider: Provider,
  known: Applications,
  needs: AdapterNeeds & { log: Log; publicUrl: URL },
): void {
  const Client = provider.Client as unknown as ClientClass;
  const made = new Map<string, { version: number; client: Client }>();
  Client.find = async (id) => {
    if (typeof id !== 'string' || !/^[a-z][a-z0-9-]{1,39}$/.test(id)) return undefined;
    const application = await known.get(id);
    if (!application) {
      made.delete(id);
      return undefined;
    }
    if (isTestOf(needs, id)) {
      const client = makeClient(
        Client,
        application,
        testMetadataOf(application, testUri(needs)),
        needs.database,
      );
      testClients.add(client);
      return client;
    }
    const before = made.get(id);
    if (before?.version === application.version) return before.client;
    try {
      const client = makeClient(Client, application, metadataOf(application), needs.database);
      made.set(id, { version: application.version, client });
      return client;
    } catch (error) {
      needs.log.error(
        { err: error, application: id, code: 'client-refused' },
        'an app cannot be an OAuth client',
      );
      return undefined;
    }
  };
}

function makeClient(
  Client: ClientClass,
  application: Application,
  metadata: ClientMetadata,
  database: Database,
): Client {
  const client = new Client(metadata);
  applications.set(client, application);
  let proved: Buffer | undefined;
  return Object.assign(client, {
    // Every subject comes from the profile, whatever its kind, so the library must ask for all of them.
    subjectType: 'pairwise',
    includeSid: () => true,
    async compareClientSecret(given: unknown): Promise<boolean> {
      if (typeof given !== 'string' || given === '' || given.length > 1000) return false;
      const hash = hashSecret(given);
      // A secret that was right stays right until the application changes, and with it this object.
      if (proved && timingSafeEqual(proved, hash)) return true;
      const right = await database.read(system('request'), (tx) => checkSecret(tx, application.id, given));
      if (right) proved = hash;
      return right;
    },
  });
}
