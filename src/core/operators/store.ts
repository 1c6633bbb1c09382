import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Operator } from './operators.ts';
import { type Grant, type Role, roles } from './permissions.ts';
import type { ApiToken } from './tokens.ts';

export async function rolesOf(tx: Tx, person: string): Promise<Grant[]> {
  if (!isId(person)) return [];
  const rows = await tx.query<{ role: Role; application: string | null }>(
    'select role, application from operators where person = $1 order by role, application',
    [person],
    'operators-roles-of',
  );
  return rows.map((row) => ({ role: row.role, application: row.application ?? undefined }));
}

/** The same, kept from being taken away until the transaction ends. */
export async function holdRoles(tx: Tx, person: string): Promise<Grant[]> {
  const rows = await tx.query<{ role: Role; application: string | null }>(
    'select role, application from operators where person = $1 for share',
    [person],
    'operators-hold',
  );
  return rows.map((row) => ({ role: row.role, application: row.application ?? undefined }));
}

interface OperatorRow {
  person: string;
  role: Role;
  application: string | null;
  granted_at: Date;
  granted_by: Operator['grantedBy'];
}

export async function listOperators(tx: Tx): Promise<Operator[]> {
  const rows = await tx.query<OperatorRow>(
    `select person, role, application, granted_at, granted_by from operators
     order by array_position($1::text[], role), granted_at, person, application`,
    [roles],
  );
  return rows.map((row) => ({
    person: row.person,
    role: row.role,
    application: row.application ?? undefined,
    grantedAt: row.granted_at,
    grantedBy: row.granted_by,
  }));
}

interface GrantRow extends Grant {
  person: string;
}

/** False when the person held the role already. */
export async function insertOperator(tx: Tx, grant: GrantRow): Promise<boolean> {
  try {
    const rows = await tx.query(
      `insert into operators (person, role, application, granted_at, granted_by) values ($1, $2, $3, $4, $5::jsonb)
       on conflict do nothing returning person`,
      [grant.person, grant.role, grant.application ?? null, tx.now(), JSON.stringify(tx.actor)],
    );
    return rows.length === 1;
  } catch (error) {
    if (isMissingReference(error)) throw new Problem('application-unknown');
    throw error;
  }
}

function isMissingReference(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23503';
}

export async function deleteOperator(tx: Tx, grant: GrantRow): Promise<boolean> {
  if (!isId(grant.person)) return false;
  const rows = await tx.query(
    `delete from operators where person = $1 and role = $2 and application is not distinct from $3 returning person`,
    [grant.person, grant.role, grant.application ?? null],
  );
  return rows.length === 1;
}

/** Makes everyone who may end the last ownership take turns; what is read after it is what the one before left. */
export async function lockOwners(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('operators:owners', 0))`);
}

export async function owners(tx: Tx): Promise<string[]> {
  const rows = await tx.query<{ person: string }>(`select person from operators where role = 'owner'`);
  return rows.map((row) => row.person);
}

interface TokenRow {
  id: string;
  name: string;
  roles: Role[];
  application: string | null;
  created_at: Date;
  created_by: ApiToken['createdBy'];
  maker: string | null;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

const tokenColumns = `id, name, roles, application, created_at, created_by, maker, expires_at, last_used_at, revoked_at`;

function toToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    name: row.name,
    roles: row.roles,
    application: row.application ?? undefined,
    createdAt: row.created_at,
    createdBy: row.created_by,
    maker: row.maker ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
  };
}

export async function insertToken(
  tx: Tx,
  token: {
    id: string;
    name: string;
    hash: Buffer;
    roles: Role[];
    application?: string;
    expiresAt?: Date;
    maker?: string;
  },
): Promise<void> {
  try {
    await tx.query(
      `insert into api_tokens (id, name, token_hash, roles, application, created_at, created_by, expires_at,
         maker)
       values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)`,
      [
        token.id,
        token.name,
        token.hash,
        token.roles,
        token.application ?? null,
        tx.now(),
        JSON.stringify(tx.actor),
        token.expiresAt ?? null,
        token.maker ?? null,
      ],
    );
  } catch (error) {
    if (isMissingReference(error)) throw new Problem('application-unknown');
    throw error;
  }
}

export async function liveToken(tx: Tx, hash: Buffer): Promise<ApiToken | undefined> {
  const rows = await tx.query<TokenRow>(
    `select ${tokenColumns} from api_tokens
     where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)`,
    [hash, tx.now()],
    'tokens-live',
  );
  return rows[0] && toToken(rows[0]);
}

/** The token, if it still is good, kept from being revoked until the transaction ends. */
export async function holdLiveToken(tx: Tx, id: string): Promise<ApiToken | undefined> {
  const rows = await tx.query<TokenRow>(
    `select ${tokenColumns} from api_tokens
     where id = $1 and revoked_at is null and (expires_at is null or expires_at > $2) for share`,
    [id, tx.now()],
    'tokens-hold',
  );
  return rows[0] && toToken(rows[0]);
}

export async function tokenById(tx: Tx, id: string): Promise<ApiToken | undefined> {
  if (!isId(id)) return undefined;
  const rows = await tx.query<TokenRow>(`select ${tokenColumns} from api_tokens where id = $1`, [id]);
  return rows[0] && toToken(rows[0]);
}

export async function tokensMadeBy(tx: Tx, person: string): Promise<ApiToken[]> {
  const rows = await tx.query<TokenRow>(
    `select ${tokenColumns} from api_tokens where maker = $1 order by created_at`,
    [person],
  );
  return rows.map(toToken);
}

/** Takes what a person wrote, and their name, out of tokens and roles that they gave. */
export async function blankTokens(tx: Tx, person: string): Promise<void> {
  await tx.query(`update api_tokens set name = 'erased', created_by = created_by - 'name' where maker = $1`, [
    person,
  ]);
  await tx.query(`update operators set granted_by = granted_by - 'name' where granted_by ->> 'id' = $1`, [
    person,
  ]);
}

export async function touchToken(tx: Tx, id: string): Promise<void> {
  await tx.query('update api_tokens set last_used_at = $2 where id = $1', [id, tx.now()], 'tokens-touch');
}

export async function listTokens(tx: Tx): Promise<ApiToken[]> {
  const rows = await tx.query<TokenRow>(
    `select ${tokenColumns} from api_tokens order by created_at desc, id desc`,
  );
  return rows.map(toToken);
}

export async function revokeToken(tx: Tx, id: string): Promise<'revoked' | 'already' | 'unknown'> {
  if (!isId(id)) return 'unknown';
  const won = await tx.query(
    'update api_tokens set revoked_at = $2 where id = $1 and revoked_at is null returning id',
    [id, tx.now()],
  );
  if (won.length === 1) return 'revoked';
  const known = await tx.query('select id from api_tokens where id = $1', [id]);
  return known.length === 1 ? 'already' : 'unknown';
}

interface SetupRow {
  id: string;
  openedAt: Date;
  closedAt: Date | null;
}

const setupColumns = 'id, opened_at as "openedAt", closed_at as "closedAt"';

/** Makes the row when there is none; born closed where an owner is there already. Undefined = another made it. */
export async function insertSetup(tx: Tx, id: string): Promise<SetupRow | undefined> {
  const rows = await tx.query<SetupRow>(
    `insert into setup (id, opened_at, closed_at)
     select $1::uuid, $2::timestamptz, case when exists (select 1 from operators where role = 'owner') then $2 end
     on conflict ("only") do nothing returning ${setupColumns}`,
    [id, tx.now()],
  );
  return rows[0];
}

export async function readSetup(tx: Tx): Promise<SetupRow | undefined> {
  return (await tx.query<SetupRow>(`select ${setupColumns} from setup`))[0];
}

export async function replaceSetup(tx: Tx, id: string): Promise<SetupRow> {
  const rows = await tx.query<SetupRow>(
    `insert into setup (id, opened_at) values ($1, $2)
     on conflict ("only") do update set id = excluded.id, opened_at = excluded.opened_at, closed_at = null
     returning ${setupColumns}`,
    [id, tx.now()],
  );
  return rows[0] as SetupRow;
}

/** Closes the setup if it is open and, where an id is given, still this one. */
export async function closeSetup(tx: Tx, id?: string): Promise<boolean> {
  const rows = await tx.query(
    `update setup set closed_at = $1 where closed_at is null and ($2::uuid is null or id = $2) returning id`,
    [tx.now(), id ?? null],
  );
  return rows.length === 1;
}
