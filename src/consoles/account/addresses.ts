/** Adding, proving, choosing and removing one's addresses. */
import type { FastifyReply } from 'fastify';
import { parseAddress } from '#core/people/names.ts';
import {
  type Address,
  addAddress,
  listAddresses,
  makePrimary,
  removeAddress,
  verifyAddress,
} from '#core/people/people.ts';
import { openVerifications, useCode } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { codeField, field } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, formButton, linkButton } from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { askProof, limitProofs } from '#signon/ask-proof.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { type PageNeeds, quietLine, show } from '#signon/visit.ts';
import { words } from '#signon/words.ts';
import { type Home, home } from './guest.ts';

/** The routes below /account/addresses. */
export function addressRoutes(app: App, needs: PageNeeds): void {
  app.post('/account/addresses', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const typed = request.form.text('email');
    try {
      parseAddress(typed);
      await limitProofs(needs, here, here.signedOn.person.id);
      const address = await needs.database.transact(here.context, async (tx) => {
        const added = await addAddress(tx, here.signedOn.person.id, typed);
        if (!added.verifiedAt) await mailProof(tx, here, added);
        return added;
      });
      return reply.redirect(
        address.verifiedAt ? '/account?said=known' : `/account/addresses/${address.id}/code`,
        303,
      );
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return addPage(here, reply, typed, error);
    }
  });

  app.get('/account/addresses/:id/code', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const address = await needs.database.read(here.context, (tx) => ownAddress(tx, here, idOf(request)));
    return address.verifiedAt ? reply.redirect('/account', 303) : codePage(here, reply, address);
  });

  app.post('/account/addresses/:id/code', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const outcome = await needs.database.transact(here.context, async (tx) => {
      const address = await ownAddress(tx, here, idOf(request));
      const open = (await openVerifications(tx, here.signedOn.person.id, 'address')).find(
        (one) => one.address === address.id,
      );
      if (!open) return { address, refused: 'code-expired' as const };
      const tried = await useCode(tx, needs.secrets, open.id, request.form.text('code'));
      if ('refused' in tried) return { address, refused: tried.refused };
      await verifyAddress(tx, here.signedOn.person.id, address.id);
      return { address };
    });
    if (outcome.refused) return codePage(here, reply, outcome.address, new Problem(outcome.refused));
    return reply.redirect('/account?said=confirmed', 303);
  });
  changeRoutes(app, needs);
}

function changeRoutes(app: App, needs: PageNeeds): void {
  app.post('/account/addresses/:id/confirm', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const id = idOf(request);
    await limitProofs(needs, here, here.signedOn.person.id);
    // Confirmed meanwhile, in another tab: then there is nothing to mail, and the code page leads home.
    await needs.database.transact(here.context, async (tx) => {
      const address = await ownAddress(tx, here, id);
      if (!address.verifiedAt) await mailProof(tx, here, address);
    });
    return reply.redirect(`/account/addresses/${id}/code`, 303);
  });

  app.post('/account/addresses/:id/primary', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    await needs.database.transact(here.context, (tx) =>
      makePrimary(tx, here.signedOn.person.id, idOf(request)),
    );
    return reply.redirect('/account?said=address', 303);
  });

  app.post('/account/addresses/:id/remove', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    await needs.database.transact(here.context, (tx) =>
      removeAddress(tx, here.signedOn.person.id, idOf(request)),
    );
    return reply.redirect('/account?said=address', 303);
  });
}

function idOf(request: { params: unknown }): string {
  return String((request.params as Record<string, unknown>).id ?? '');
}

async function ownAddress(tx: Tx, here: Home, id: string): Promise<Address> {
  const address = (await listAddresses(tx, [here.signedOn.person.id])).find((one) => one.id === id);
  if (!address) throw new Problem('address-unknown');
  return address;
}

/** Mails a link and a code; if the address is someone else's already, its owner is told instead and nothing shows. */
async function mailProof(tx: Tx, here: Home, address: Address): Promise<void> {
  await askProof(tx, { purpose: 'address', address, browser: here.browser });
}

function addPage(here: Home, reply: FastifyReply, typed: string, problem: Problem): FastifyReply {
  const { tell, locale } = here;
  const body = html`${form({
    url: '/account/addresses',
    token: here.formToken,
    body: html`${field({ name: 'email', type: 'email', label: tell('addAddress'), locale, value: typed, autocomplete: 'email', maxlength: 254, help: tell('addAddressHelp'), error: problemWords(locale)(problem.code) })}${button({ label: tell('add'), id: 'add-address', full: true })}
      ${linkButton({ label: tell('cancel'), url: '/account', style: 'quiet', full: true })}`,
  })}`;
  return show(here, reply, { title: tell('addAddress'), body, status: pageStatus[problem.code] });
}

function codePage(here: Home, reply: FastifyReply, address: Address, problem?: Problem): FastifyReply {
  const { tell, locale } = here;
  const error = problem && problemWords(locale)(problem.code);
  const body = html`${form({
    url: `/account/addresses/${address.id}/code`,
    token: here.formToken,
    body: html`${codeField({ label: tell('code'), locale, digits: 6, autofocus: true, error })}${button({ label: tell('confirmCode'), id: 'confirm', full: true })}`,
  })}<div class="aside-actions"><p>${tell('noMail')} <a href="/verify/mail" id="no-mail">${words(locale)('whatBecame')}</a></p>
  ${formButton({ label: tell('sendAgain'), url: `/account/addresses/${address.id}/confirm`, token: here.formToken, full: true })}
  ${quietLine('', { url: '/account', title: tell('back') })}</div>`;
  return show(here, reply, {
    title: tell('codeTitle'),
    lede: tell.html('codeLede', { address: html`<strong>${address.address}</strong>` }),
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}
