/** API tokens: made, listed, withdrawn. The value is shown once, in the answer to making it. */

import { may, mayGrant, type Role, roles } from '#core/operators/permissions.ts';
import { createToken, listTokens, revokeToken } from '#core/operators/tokens.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { field, selectField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import {
  badge,
  button,
  emptyState,
  form,
  formButton,
  keyValues,
  notice,
  section,
  table,
  time,
} from '#kit/page/parts.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { type Desk, desk, showDesk } from './operator.ts';

/** The routes of /admin/tokens. */
export function tokenRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin/tokens', { config: { door: 'page' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'tokens.read');
    return here ? showDesk(here, reply, { section: 'tokens', body: await tokensBody(needs, here) }) : reply;
  });

  app.post('/admin/tokens', { config: { door: 'form' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'tokens.write');
    if (!here) return reply;
    const role = request.form.text('scope') as Role;
    if (!mayGrant(here.grants, { role })) throw new Problem('operator-forbidden');
    const name = request.form.text('name');
    const made = await needs.database.transact(here.context, (tx) =>
      createToken(tx, { name, scopes: [role] }),
    );
    const shown = section({
      title: here.tell('newToken'),
      body: html`${notice({ tone: 'success', text: here.tell('tokenMade') })}
        ${keyValues({ rows: [{ key: name, value: made.token, copy: true }], locale: here.locale })}`,
    });
    return showDesk(here, reply, { section: 'tokens', body: await tokensBody(needs, here, shown) });
  });

  app.post('/admin/tokens/:id/revoke', { config: { door: 'form' } }, async (request, reply) => {
    const here = await desk(needs, request, reply, 'tokens.write');
    if (!here) return reply;
    const id = String((request.params as Record<string, unknown>).id ?? '');
    await needs.database.transact(here.context, (tx) => revokeToken(tx, id));
    return reply.redirect('/admin/tokens', 303);
  });
}

async function tokensBody(needs: PageNeeds, here: Desk, first?: Html): Promise<Html> {
  const tokens = await needs.database.read(here.context, listTokens);
  const { tell, locale, now } = here;
  const mayWrite = may(here.grants, 'tokens.write');
  const list = table({
    caption: tell('tokens'),
    rows: tokens,
    empty: emptyState({ title: tell('none') }),
    columns: [
      { title: tell('tokenName'), cell: (one) => one.name },
      { title: tell('scope'), cell: (one) => one.roles.join(', ') },
      {
        title: tell('madeBy'),
        cell: (one) =>
          html`${one.makerName ?? one.createdBy.name ?? ''}${one.rests && !one.revokedAt ? html` ${badge({ tone: 'warning', label: tell(one.rests) })}` : ''}`,
      },
      {
        title: tell('lastUsed'),
        cell: (one) => (one.lastUsedAt ? time({ at: one.lastUsedAt, now, locale }) : tell('never')),
      },
      {
        title: tell('expires'),
        cell: (one) => (one.expiresAt ? time({ at: one.expiresAt, now, locale }) : tell('never')),
      },
      {
        title: tell('doing'),
        actions: true,
        cell: (one) =>
          one.revokedAt
            ? badge({ tone: 'neutral', label: tell('revoked') })
            : mayWrite &&
              formButton({
                label: tell('revoke'),
                url: `/admin/tokens/${one.id}/revoke`,
                token: here.formToken,
                compact: true,
                describe: `${tell('revoke')}: ${one.name}`,
              }),
      },
    ],
  });
  const given = roles.filter((role) => role !== 'app-owner' && mayGrant(here.grants, { role }));
  const make = form({
    url: '/admin/tokens',
    token: here.formToken,
    body: html`
      ${field({ name: 'name', label: tell('tokenName'), locale, help: tell('tokenHelp'), maxlength: 120 })}
      ${selectField({ name: 'scope', label: tell('scope'), locale, options: given.map((role) => ({ value: role, label: role })) })}
      ${button({ label: tell('createToken'), id: 'create-token' })}`,
  });
  return html`<div class="stack">${first}${list}${mayWrite ? section({ title: tell('createToken'), body: make }) : ''}</div>`;
}
