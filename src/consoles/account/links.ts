/** Accounts elsewhere that open this one: linking, after a sign-in of this moment, and unlinking. */
import type { FastifyReply } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { field, passwordField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, formButton, lines, linkButton, notice, section, time } from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { directoryDown } from '#signon/upstream/choices.ts';
import { linkDirectory } from '#signon/upstream/delegated.ts';
import { type Link, linksOf, unlink } from '#signon/upstream/links.ts';
import { setOutToLink } from '#signon/upstream/set-out.ts';
import type { UpstreamNeeds } from '#signon/upstream/upstream.ts';
import { listUpstreams, openUpstream, type Upstream } from '#signon/upstream/upstreams.ts';
import { show } from '#signon/visit.ts';
import { type Home, home } from './guest.ts';
import { words } from './links.words.ts';

/** The routes below /account/links. */
export function linkRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/account/links/:upstream', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const { id, settings } = await needs.database.read(here.context, (tx) =>
      openUpstream(tx, named(request)),
    );
    if (settings.ldap) return directoryPage(here, reply, { id, title: settings.title });
    const tell = words(here.locale);
    const { title } = settings;
    return show(here, reply, {
      title: tell('linkTitle', { upstream: title }),
      lede: tell.html('linkLede', {
        upstream: title,
        username: html`<strong>${here.signedOn.person.username}</strong>`,
      }),
      body: html`${form({
        url: `/account/links/${id}`,
        token: here.formToken,
        body: button({ label: tell('goOn', { upstream: title }), id: 'link', full: true }),
      })}${linkButton({ label: here.tell('cancel'), url: '/account', style: 'quiet', full: true })}`,
    });
  });

  app.post('/account/links/:upstream', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const id = named(request);
    const upstream = await needs.database.read(here.context, (tx) => openUpstream(tx, id));
    if (!upstream.settings.ldap) return setOutToLink(needs, here, reply, id);
    const name = request.form.text('username');
    const page = { id, title: upstream.settings.title, name };
    try {
      await linkDirectory(needs, {
        upstream: id,
        person: here.signedOn.person.id,
        name,
        password: request.form.text('password'),
        context: here.context,
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return directoryPage(here, reply, { ...page, problem: error });
    }
    return reply.redirect('/account?said=linked', 303);
  });

  app.post('/account/links/:link/remove', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const id = String((request.params as Record<string, unknown>).link ?? '');
    const { person, session } = here.signedOn;
    await needs.database.transact(here.context, (tx) => unlink(tx, person.id, id, session.id));
    return reply.redirect('/account?said=unlinked', 303);
  });
}

function directoryPage(
  here: Home,
  reply: FastifyReply,
  page: { id: string; title: string; name?: string; problem?: Problem },
): FastifyReply {
  const tell = words(here.locale);
  const { locale } = here;
  const { id, title: upstream, problem } = page;
  const text = problem && (directoryDown(problem, locale) ?? problemWords(locale)(problem.code));
  return show(here, reply, {
    title: tell('linkTitle', { upstream }),
    lede: tell.html('directoryLede', {
      upstream,
      username: html`<strong>${here.signedOn.person.username}</strong>`,
    }),
    body: html`${text ? notice({ tone: 'danger', text, id: 'problem' }) : ''}${form({
      url: `/account/links/${id}`,
      token: here.formToken,
      body: html`
        ${field({ name: 'username', label: tell('nameThere', { upstream }), locale, value: page.name ?? '', literal: true, maxlength: 320 })}
        ${passwordField({ name: 'password', label: tell('passwordThere', { upstream }), locale, autocomplete: 'current-password' })}
        ${button({ label: tell('linkTitle', { upstream }), id: 'link', full: true })}`,
    })}${linkButton({ label: here.tell('cancel'), url: '/account', style: 'quiet', full: true })}`,
    status: problem ? pageStatus[problem.code] : 200,
  });
}

function named(request: { params: unknown }): string {
  return String((request.params as Record<string, unknown>).upstream ?? '');
}

export interface MyLinks {
  links: readonly Link[];
  upstreams: readonly Upstream[];
}

/** What the account page shows of them. */
export async function myLinks(tx: Tx, person: string): Promise<MyLinks> {
  return { links: await linksOf(tx, person), upstreams: await listUpstreams(tx) };
}

/** The part of the account page about them; nothing where there is nothing to link. */
export function linksSection(here: Home, { links, upstreams }: MyLinks): Html | undefined {
  const tell = words(here.locale);
  const { locale, now } = here;
  const known = new Map(upstreams.map((one) => [one.id, one.settings]));
  const items = links.map((one) => {
    const settings = known.get(one.upstream);
    const title = settings?.title ?? one.upstream;
    const since = time({ at: one.createdAt, now, locale });
    const when = one.usedAt
      ? tell.html('usedLast', { since, used: time({ at: one.usedAt, now, locale }) })
      : tell.html('linkedSince', { since });
    return {
      what: html`${title} <span class="muted" dir="auto">${one.label}</span>`,
      more: settings?.enabled ? when : tell('closed'),
      actions: formButton({
        label: tell('unlink'),
        url: `/account/links/${one.id}/remove`,
        token: here.formToken,
        compact: true,
        describe: tell('unlinkNamed', { upstream: title, label: one.label }),
      }),
    };
  });
  const mine = new Set(links.map((one) => one.upstream));
  const open = upstreams.filter(({ id, settings }) => settings.enabled && settings.button && !mine.has(id));
  const adding = open.map(({ id, settings }) =>
    linkButton({
      label: tell('add', { upstream: settings.title }),
      url: `/account/links/${id}`,
      style: 'quiet',
      compact: true,
      id: `link-${id}`,
    }),
  );
  if (items.length === 0 && adding.length === 0) return undefined;
  return section({
    title: tell('title'),
    id: 'links-section',
    body: html`<p class="muted">${tell('lede')}</p>${items.length > 0 ? lines({ items, label: tell('title') }) : ''}${
      adding.length > 0 ? html`<div class="actions">${adding}</div>` : ''
    }`,
  });
}

/** What is said after a change here. */
export function saidOfLinks(here: Home, said: string | undefined): string | undefined {
  const tell = words(here.locale);
  if (said === 'linked') return tell('savedLinked');
  return said === 'unlinked' ? tell('savedUnlinked') : undefined;
}
