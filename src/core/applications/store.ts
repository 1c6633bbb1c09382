import type { Tx } from '#kit/db/tx.ts';
import type { Application, ApplicationSettings, Consent } from './applications.ts';

interface ApplicationRow {
  id: string;
  settings: ApplicationSettings;
  has_secret: boolean;
  created_at: Date;
  updated_at: Date;
  version: number;
}

const columns = 'id, settings, secret_hash is not null as has_secret, created_at, updated_at, version';

function toApplication(row: ApplicationRow): Application {
  return {
    id: row.id,
    settings: row.settings,
    hasSecret: row.has_secret,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

export async function applicationById(tx: Tx, id: string): Promise<Application | undefined> {
  const rows = await tx.query<ApplicationRow>(
    `select ${columns} from applications where id = $1`,
    [id],
    'application-by-id',
  );
  return rows[0] && toApplication(rows[0]);
}

export async function applicationByEntity(tx: Tx, entityId: string): Promise<Application | undefined> {
  const rows = await tx.query<ApplicationRow>(
    `select ${columns} from applications where settings->'saml'->>'entityId' = $1`,
    [entityId],
    'application-by-entity',
  );
  return rows[0] && toApplication(rows[0]);
}

/** The application, kept from changing under our hands until the transaction ends. */
export async function lockApplication(tx: Tx, id: string): Promise<Application | undefined> {
  const rows = await tx.query<ApplicationRow>(
    `select ${columns} from applications where id = $1 for update`,
    [id],
  );
  return rows[0] && toApplication(rows[0]);
}

export async function listApplications(tx: Tx): Promise<Application[]> {
  const rows = await tx.query<ApplicationRow>(`select ${columns} from applications order by title, id`);
  return rows.map(toApplication);
}

/** False when another was quicker to take this id. */
export async function insertApplication(tx: Tx, id: string, settings: ApplicationSettings): Promise<boolean> {
  const made = await tx.query(
    `insert into applications (id, title, enabled, settings, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)
     on conflict (id) do nothing returning id`,
    [id, settings.title, settings.enabled, JSON.stringify(settings), tx.now()],
  );
  if (made.length > 0) await tx.query(`select pg_notify('applications', $1)`, [id]);
  return made.length > 0;
}

export async function updateApplication(tx: Tx, id: string, settings: ApplicationSettings): Promise<void> {
  await tx.query(
    `update applications set title = $2, enabled = $3, settings = $4, updated_at = $5, version = version + 1
     where id = $1`,
    [id, settings.title, settings.enabled, JSON.stringify(settings), tx.now()],
  );
  await tx.query(`select pg_notify('applications', $1)`, [id]);
}

export async function deleteApplication(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from applications where id = $1', [id]);
  await tx.query(`select pg_notify('applications', $1)`, [id]);
}

export async function writeSecret(tx: Tx, id: string, hash: Buffer): Promise<void> {
  await tx.query(
    'update applications set secret_hash = $2, updated_at = $3, version = version + 1 where id = $1',
    [id, hash, tx.now()],
  );
  await tx.query(`select pg_notify('applications', $1)`, [id]);
}

export async function secretHash(tx: Tx, id: string): Promise<Buffer | undefined> {
  const rows = await tx.query<{ secret_hash: Buffer | null }>(
    'select secret_hash from applications where id = $1',
    [id],
    'application-secret',
  );
  return rows[0]?.secret_hash ?? undefined;
}

/** Whether anyone has a subject at this application already. */
export async function hasSubjects(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query<{ first_sign_in_at: Date | null }>(
    'select first_sign_in_at from applications where id = $1 and first_sign_in_at is not null',
    [id],
  );
  return rows.length > 0;
}

/**
 * Marks that someone has a subject of this kind here; from now on the kind is fixed. False when the kind is another by
 * now. Waits for whoever is changing the application.
 */
export async function fixSubjects(tx: Tx, id: string, kind: string): Promise<boolean> {
  const fixed = await tx.query(
    `update applications set first_sign_in_at = $2
     where id = $1 and first_sign_in_at is null and settings->>'subject' = $3 returning id`,
    [id, tx.now(), kind],
    'application-fix-subjects',
  );
  if (fixed.length > 0) return true;
  const [there] = await tx.query<{ kind: string }>(
    `select settings->>'subject' as kind from applications where id = $1`,
    [id],
    'application-subject-kind',
  );
  return there?.kind === kind;
}

export async function consentOf(tx: Tx, person: string, application: string): Promise<Consent | undefined> {
  const rows = await tx.query<Consent>(
    `select application, scopes, claims, given_at as "givenAt" from consents
     where person = $1 and application = $2 and withdrawn_at is null`,
    [person, application],
  );
  return rows[0];
}

export async function listConsents(tx: Tx, person: string): Promise<Consent[]> {
  return tx.query<Consent>(
    `select application, scopes, claims, given_at as "givenAt" from consents
     where person = $1 and withdrawn_at is null order by given_at desc`,
    [person],
  );
}

export async function writeConsent(
  tx: Tx,
  input: { person: string; application: string; scopes: string[]; claims: string[]; textVersion: string },
): Promise<void> {
  await tx.query(
    `insert into consents (person, application, scopes, claims, text_version, given_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (person, application) do update set scopes = excluded.scopes, claims = excluded.claims,
       text_version = excluded.text_version, given_at = excluded.given_at, withdrawn_at = null`,
    [input.person, input.application, input.scopes, input.claims, input.textVersion, tx.now()],
  );
}

export async function endConsent(tx: Tx, person: string, application: string): Promise<boolean> {
  const rows = await tx.query(
    `update consents set withdrawn_at = $3 where person = $1 and application = $2 and withdrawn_at is null
     returning person`,
    [person, application, tx.now()],
  );
  return rows.length > 0;
}

export async function deleteConsents(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from consents where person = $1', [person]);
}
