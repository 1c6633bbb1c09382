/**
 * Around every answer of the library: what the request gives out is written before it leaves, cross-origin reading is
 * for registered browser apps alone, and the published documents say what we really do.
 */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { fixSubject } from '#core/aliases/aliases.ts';
import { joinApplication } from '#core/sessions/sessions.ts';
import type { Database } from '#kit/db/database.ts';
import { noteUse } from '#signon/gate.ts';
import { type SaveTrade, takeWaiting } from './adapter.ts';
import { requestStanding } from './admission.ts';
import { type Applications, isTestClient } from './clients.ts';
import { signedOnAt } from './core-session.ts';
import { contextOf } from './exchange.ts';
import { registrationIsOn, registrationPath } from './registration-routes.ts';
import { type PayloadRow, savePayloads, type Trade } from './store.ts';

export interface AnswerNeeds {
  database: Database;
  applications: Applications;
  publicUrl: URL;
  save: SaveTrade;
}

/** Seconds for which anyone may keep the key set and the discovery document: a key in danger is gone within a minute (KE-04). */
const publishedSeconds = 60;

/** The middleware around the whole library. */
export function answerMiddleware(needs: AnswerNeeds) {
  return async (given: unknown, next: () => Promise<unknown>): Promise<void> => {
    const ctx = given as KoaContextWithOIDC;
    await next();
    const trade = takeWaiting(ctx);
    if (ctx.status < 400 && trade.rows.length > 0) {
      const code = trade.rows.some((row) => row.kind === 'AuthorizationCode');
      await (code ? writeCode(needs.database, ctx, trade.rows) : settle(needs.save, ctx, trade));
    }
    limitReading(ctx, needs.applications.browserOrigins());
    if (ctx.method === 'GET' && ctx.status === 200) await publish(ctx, needs);
  };
}

/** Writes what was given; who lost what it was given for hears so in the words of the standard (RFC 6749 §5.2). */
async function settle(save: SaveTrade, ctx: KoaContextWithOIDC, trade: Trade): Promise<void> {
  try {
    await save(trade);
  } catch (error) {
    if (!(error instanceof errors.InvalidGrant)) throw error;
    ctx.status = error.statusCode;
    ctx.body = { error: error.error, error_description: error.error_description };
    ctx.oidc.provider.emit('grant.error', ctx, error);
  }
}

/**
 * Writes a code and its grant, which brings the app into the session and fixes the person's subject there; a test of an
 * operator does neither.
 */
async function writeCode(
  database: Database,
  ctx: KoaContextWithOIDC,
  rows: readonly PayloadRow[],
): Promise<void> {
  const here = signedOnAt(ctx);
  const standing = requestStanding(ctx);
  if (!here || !standing?.profile) throw new Error('a code was made for nobody');
  const { application, profile } = standing;
  await database.transact(contextOf(ctx, here.person.id), async (tx) => {
    const real = !isTestClient(ctx.oidc.client);
    if (real && !profile.subjectFixed) await fixSubject(tx, application, here.person.id, profile.subject);
    await Promise.all([
      savePayloads(tx, rows),
      real && joinApplication(tx, here.session, application.id, 'oidc'),
      noteUse(tx, here.session),
    ]);
  });
}

const readingHeaders = ['origin', 'methods', 'headers', 'credentials']
  .map((what) => `access-control-allow-${what}`)
  .concat('access-control-expose-headers', 'access-control-max-age');

/** Scripts of other sites read our answers only from the origins of registered browser apps, and never from `null`. */
function limitReading(ctx: KoaContextWithOIDC, allowed: ReadonlySet<string>): void {
  const origin = ctx.get('origin');
  if (origin !== '' && allowed.has(origin)) return;
  for (const name of readingHeaders) ctx.res.removeHeader(name);
}

async function publish(ctx: KoaContextWithOIDC, needs: AnswerNeeds): Promise<void> {
  const route = ctx.oidc?.route;
  if (route !== 'jwks' && route !== 'discovery') return;
  ctx.set('cache-control', `public, max-age=${publishedSeconds}`);
  if (route !== 'discovery') return;
  const open = await registrationIsOn(needs.database);
  ctx.body = {
    ...(ctx.body as object),
    ...(open && { registration_endpoint: new URL(registrationPath, needs.publicUrl).href }),
    response_modes_supported: ['query', 'form_post'],
    subject_types_supported: ['pairwise', 'public'],
    prompt_values_supported: ['none', 'login', 'select_account', 'consent'],
  };
}
