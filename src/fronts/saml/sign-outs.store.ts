import type { Tx } from '#kit/db/tx.ts';
import type { SessionName } from './store.ts';

export interface SignOutRow<Answer> {
  id: string;
  browser: string | null;
  answer: Answer | null;
  returnTo: string | null;
  expiresAt: Date;
}

export async function insertSignOut(
  tx: Tx,
  row: { id: string; browser?: string; answer?: unknown; returnTo?: string; expiresAt: Date },
): Promise<void> {
  await tx.query(
    `insert into saml_sign_outs (id, browser, answer, return_to, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      row.id,
      row.browser ?? null,
      row.answer === undefined ? null : JSON.stringify(row.answer),
      row.returnTo ?? null,
      tx.now(),
      row.expiresAt,
    ],
  );
}

/** The walk of this browser; one that began with a message belongs to the first browser that comes with it. */
export async function takeSignOut<Answer>(
  tx: Tx,
  id: string,
  browser: string,
): Promise<SignOutRow<Answer> | undefined> {
  if (!/^[0-9a-f-]{36}$/i.test(id)) return undefined;
  const rows = await tx.query<SignOutRow<Answer>>(
    `update saml_sign_outs set browser = $2 where id = $1 and (browser is null or browser = $2)
     returning id, browser, answer, return_to as "returnTo", expires_at as "expiresAt"`,
    [id, browser],
  );
  return rows[0];
}

export type LogoutState = 'waiting' | 'asked' | 'ended' | 'failed' | 'unreachable';

export interface LogoutRow extends SessionName {
  id: string;
  signOut: string | null;
  state: LogoutState;
  answer: string | null;
  createdAt: Date;
  settledAt: Date | null;
}

const logoutColumns = `id, sign_out as "signOut", session, application, session_index as "sessionIndex",
  name_id as "nameId", name_format as "nameFormat", state, answer, created_at as "createdAt", settled_at as "settledAt"`;

export async function insertLogout(
  tx: Tx,
  row: SessionName & { id: string; signOut?: string; state: LogoutState; answer?: string },
): Promise<void> {
  await tx.query(
    `insert into saml_logouts (id, sign_out, session, application, session_index, name_id, name_format, state, answer,
       created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      ...[
        row.id,
        row.signOut ?? null,
        row.session,
        row.application,
        row.sessionIndex,
        row.nameId,
        row.nameFormat,
      ],
      ...[row.state, row.answer ?? null, tx.now()],
    ],
  );
}

/** Gives what waits of an ended session to a walk. Returns how many apps will be asked. */
export async function joinSignOut(tx: Tx, session: string, signOut: string): Promise<number> {
  const rows = await tx.query(
    `update saml_logouts set sign_out = $2 where session = $1 and state = 'waiting' and sign_out is null returning id`,
    [session, signOut],
  );
  return rows.length;
}

/** How it went at each app of a session. */
export async function logoutsOf(tx: Tx, session: string): Promise<LogoutRow[]> {
  return tx.query<LogoutRow>(
    `select ${logoutColumns} from saml_logouts where session = $1 order by created_at, id`,
    [session],
  );
}

/** How it goes along one walk, in the order apps are asked. */
export async function logoutsAlong(tx: Tx, signOut: string): Promise<LogoutRow[]> {
  return tx.query<LogoutRow>(
    `select ${logoutColumns} from saml_logouts where sign_out = $1 order by created_at, id`,
    [signOut],
  );
}

export async function logoutById(tx: Tx, id: string): Promise<LogoutRow | undefined> {
  const rows = await tx.query<LogoutRow>(`select ${logoutColumns} from saml_logouts where id = $1`, [id]);
  return rows[0];
}

/** Takes the next app of a walk that was not asked yet; of two tabs that ask one gets it. */
export async function askNext(tx: Tx, signOut: string): Promise<LogoutRow | undefined> {
  const rows = await tx.query<LogoutRow>(
    `update saml_logouts set state = 'asked', asked_at = $2 where id = (
       select id from saml_logouts where sign_out = $1 and state = 'waiting' order by created_at, id limit 1 for update)
     returning ${logoutColumns}`,
    [signOut, tx.now()],
  );
  return rows[0];
}

/** Keeps what an app answered; only the first answer counts, and only to what was asked. */
export async function settleLogout(
  tx: Tx,
  id: string,
  state: 'ended' | 'failed',
  answer: string,
): Promise<boolean> {
  const rows = await tx.query(
    `update saml_logouts set state = $2, answer = $3, settled_at = $4 where id = $1 and state = 'asked' returning id`,
    [id, state, answer, tx.now()],
  );
  return rows.length === 1;
}
