/**
 * The pages of the console: the server answers every one of its addresses with the same frame, after looking whether
 * the operator may see that section; a script fills it from /api/v1. Also `/admin/sign-in`, the way to a recent sign-in
 * and back.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { rolesOf } from '#core/operators/operators.ts';
import type { Permission } from '#core/operators/permissions.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { html } from '#kit/page/html.ts';
import { consolePage } from '#kit/page/layout.ts';
import { notice } from '#kit/page/parts.ts';
import { isLocalPath, sealAgain, sealSignOn } from '#signon/dispatch.ts';
import { accountSlot, lookOf, type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { bundleRoutes, consoleBundle } from './bundle.ts';
import { type Desk, desk, sections } from './operator.ts';

/** Registers the console's addresses. */
export function consoleRoutes(app: App, needs: PageNeeds): void {
  bundleRoutes(app);
  const open = (right: Permission) => async (request: FastifyRequest, reply: FastifyReply) => {
    const here = await desk(needs, request, reply, right);
    return here ? showConsole(here, reply) : reply;
  };
  for (const { url, right } of sections) {
    app.get(url, { config: { door: 'page' } }, open(right));
    if (url !== '/admin') app.get(`${url}/*`, { config: { door: 'page' } }, open(right));
  }
  app.get('/admin/sign-in', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    if (here.signedOn) await requireOperator(needs, here, here.signedOn.person.id);
    const to = String((request.query as Record<string, unknown>).to ?? '');
    const returnTo = isLocalPath(to) && /^\/admin(?:[/?]|$)/.test(to) ? to : '/admin';
    const way = { front: 'admin', returnTo };
    const path = here.signedOn ? sealAgain(needs.secrets, here, way) : sealSignOn(needs.secrets, here, way);
    return reply.redirect(path, 303);
  });
}

/** Nobody else has anything to come back to. */
async function requireOperator(needs: PageNeeds, here: Visit, person: string): Promise<void> {
  const grants = await needs.database.read(here.context, (tx) => rolesOf(tx, person));
  if (grants.length === 0) throw new Problem('operator-forbidden');
}

function showConsole(here: Desk, reply: FastifyReply): FastifyReply {
  const { tell, locale } = here;
  const bundle = consoleBundle();
  const head = html`<div class="page-head"><h1>${tell('console')}</h1></div>`;
  const body = bundle
    ? html`<noscript>${head}${notice({ tone: 'info', text: tell('needsScript') })}</noscript>`
    : html`${head}${notice({ tone: 'danger', text: tell('consoleMissing') })}`;
  const account = accountSlot(here);
  if (!account) throw new TypeError('a desk without anyone at it');
  const document = consolePage({
    look: lookOf(here.community),
    title: tell('console'),
    nonce: here.request.nonce,
    locale,
    account,
    body,
    scripts: bundle ? [bundle.script.url] : [],
    styles: bundle ? [bundle.style.url] : [],
  });
  // Letters are looked at in frames of their own, which load and run nothing.
  const sources = { frame: ["'self'"] };
  return reply.page(document, { status: bundle ? 200 : 503, builds: true, sources });
}
