/** The pages of whoever is back from an upstream and nobody here yet: link an account of theirs, or make one. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AttributeDeclaration, attributeDeclarations, isAskedAtFirst } from '#core/people/attributes.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { field } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, errorSummary, form, linkButton, notice } from '#kit/page/parts.ts';
import { attributeField, readAttributeForm } from '#signon/attribute-fields.ts';
import { nextStep, openRequest, pathOf, sealSignOn } from '#signon/dispatch.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { keepWaiting } from '#signon/verify.ts';
import { show, type Visit, visit } from '#signon/visit.ts';
import { type Arrival, closeArrival, hasAccountHere, linkArrival, openArrival } from './arrive.ts';
import { arrivalPath } from './choices.ts';
import { comeIn, proofOf } from './come-in.ts';
import { joinNewcomer, type NewcomerForm, proposed } from './newcomer.ts';
import { trusts } from './settings.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { words } from './words.ts';

interface Waiting {
  here: Visit;
  arrival: Arrival;
  url: string;
}

export function arrivalRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/upstream/arrivals/:arrival', { config: { door: 'page' } }, async (request, reply) => {
    const waiting = await open(needs, request);
    const isKnown = await needs.database.read(waiting.here.context, (tx) =>
      hasAccountHere(tx, waiting.arrival),
    );
    return choicePage(waiting, reply, isKnown);
  });
  linkRoutes(app, needs);
  joinRoutes(app, needs);
}

async function open(needs: UpstreamNeeds, request: FastifyRequest): Promise<Waiting> {
  const here = await visit(needs, request);
  const id = String((request.params as Record<string, unknown>).arrival ?? '');
  const arrival = await needs.database.read(here.context, (tx) =>
    openArrival(tx, needs.secrets, here.browser, id),
  );
  return { here, arrival, url: arrivalPath(arrival.id) };
}

/** Signing up must be open, unless the upstream's settings make accounts by themselves. */
function mayJoin({ here, arrival }: Waiting): boolean {
  const { newPeople } = arrival.upstream.settings;
  return newPeople === 'create' || (newPeople === 'ask' && here.community.signUp.open);
}

function choicePage(waiting: Waiting, reply: FastifyReply, isKnown: boolean): FastifyReply {
  const { here, arrival, url } = waiting;
  const tell = words(here.locale);
  const upstream = arrival.upstream.settings.title;
  const join = mayJoin(waiting);
  const has = { label: tell('haveAccount'), url: `${url}/link`, full: true, id: 'have-account' };
  const make = { label: tell('makeAccount'), url: `${url}/new`, full: true, id: 'make-account' };
  return show(here, reply, {
    title: tell('arrivalTitle', { upstream }),
    lede: tell.html('arrivalLede', {
      upstream,
      label: html`<strong>${arrival.label}</strong>`,
      community: here.community.name,
    }),
    body: html`
      ${isKnown ? notice({ tone: 'info', text: tell('arrivalKnown', { upstream }), id: 'known' }) : ''}
      ${join && !isKnown ? linkButton(make) : ''}
      ${linkButton({ ...has, style: join && !isKnown ? 'quiet' : 'primary' })}
      ${join && isKnown ? linkButton({ ...make, style: 'quiet' }) : ''}
      ${join ? '' : html`<p>${tell('noNewPeople', { community: here.community.name })}</p>`}`,
  });
}

function linkRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/upstream/arrivals/:arrival/link', { config: { door: 'page' } }, async (request, reply) => {
    const waiting = await open(needs, request);
    return linkPage(needs, waiting, reply);
  });

  app.post('/upstream/arrivals/:arrival/link', { config: { door: 'form' } }, async (request, reply) => {
    const waiting = await open(needs, request);
    const { here, arrival } = waiting;
    const { signedOn } = here;
    if (!signedOn || signedOn.session.authTime < arrival.createdAt) return linkPage(needs, waiting, reply);
    const open_ = await needs.database.transact(here.context, async (tx) => {
      const { authTime, person } = signedOn.session;
      await linkArrival(tx, arrival, { person, authTime });
      return openRequest(tx, needs.secrets, here.browser, arrival.errand.requestId);
    });
    return reply.redirect(pathOf(nextStep(open_, signedOn), arrival.errand.requestId), 303);
  });
}

/** Asks for a sign-in that began after the arrival, then whether to link. */
function linkPage(needs: UpstreamNeeds, { here, arrival, url }: Waiting, reply: FastifyReply): FastifyReply {
  const { signedOn } = here;
  if (!signedOn || signedOn.session.authTime < arrival.createdAt) {
    const signIn = sealSignOn(needs.secrets, here, {
      front: 'upstream',
      returnTo: `${url}/link`,
      provedAfter: arrival.createdAt.toISOString(),
    });
    return reply.redirect(`${signIn}&ways=all`, 303);
  }
  const tell = words(here.locale);
  const upstream = arrival.upstream.settings.title;
  return show(here, reply, {
    title: tell('linkTitle', { upstream }),
    lede: tell.html('linkLede', {
      upstream,
      label: html`<strong>${arrival.label}</strong>`,
      username: html`<strong>${signedOn.person.username}</strong>`,
    }),
    body: html`${form({
      url: `${url}/link`,
      token: here.formToken,
      body: button({ label: tell('link'), id: 'link', full: true }),
    })}${linkButton({ label: tell('notNow'), url: '/account', style: 'quiet', full: true })}`,
  });
}

function joinRoutes(app: App, needs: UpstreamNeeds): void {
  app.get('/upstream/arrivals/:arrival/new', { config: { door: 'page' } }, async (request, reply) => {
    const waiting = await open(needs, request);
    if (!mayJoin(waiting)) return reply.redirect(waiting.url, 303);
    const page = await needs.database.read(waiting.here.context, async (tx) => ({
      declared: await attributeDeclarations(tx),
      given: await proposed(tx, waiting.arrival),
    }));
    return joinPage(waiting, reply, page);
  });

  app.post('/upstream/arrivals/:arrival/new', { config: { door: 'form' } }, async (request, reply) => {
    const waiting = await open(needs, request);
    const { here, arrival } = waiting;
    if (!mayJoin(waiting)) return reply.redirect(waiting.url, 303);
    const declared = await needs.database.read(here.context, attributeDeclarations);
    const typed = declared.filter(isAskedAtFirst);
    const given: NewcomerForm = {
      username: request.form.text('username'),
      givenName: request.form.text('given_name'),
      familyName: request.form.text('family_name'),
      address: request.form.text('email'),
      attributes: { ...arrival.identity.attributes, ...readAttributeForm(request.form, typed) },
    };
    try {
      return await join(needs, waiting, reply, given);
    } catch (error) {
      if (!(error instanceof Problem) || !error.facts.fields) throw error;
      return joinPage(waiting, reply, { declared, given, problem: error });
    }
  });
}

async function join(
  needs: UpstreamNeeds,
  { here, arrival }: Waiting,
  reply: FastifyReply,
  given: NewcomerForm,
): Promise<FastifyReply> {
  const { person, waiting } = await needs.database.transact(here.context, async (tx) => {
    await closeArrival(tx, arrival);
    return joinNewcomer(tx, arrival, given, here);
  });
  const proof = proofOf(arrival.upstream, { ...arrival.key, ...arrival.told });
  if (!waiting) return comeIn(needs, here, reply, { person, proof, errand: arrival.errand });
  const { requestId } = arrival.errand;
  keepWaiting(needs, here, reply, { ...waiting, person, requestId, proof });
  return reply.redirect('/verify/code', 303);
}

function joinPage(
  { here, arrival, url }: Waiting,
  reply: FastifyReply,
  page: { declared: readonly AttributeDeclaration[]; given: NewcomerForm; problem?: Problem },
): FastifyReply {
  const { say, locale, community } = here;
  const tell = words(locale);
  const texts = problemWords(locale);
  const upstream = arrival.upstream.settings.title;
  const { given } = page;
  const errors = Object.fromEntries(
    Object.entries(page.problem?.facts.fields ?? {}).map(([name, code]) => [name, texts(code)]),
  );
  const labels: Record<string, string> = {
    username: say('newUsername'),
    given_name: say('givenName'),
    family_name: say('familyName'),
    email: say('address'),
    ...Object.fromEntries(page.declared.map((one) => [`attribute_${one.name}`, one.title])),
  };
  const told = arrival.identity.address;
  const isProved = told?.verified === true && trusts(arrival.upstream.settings, told.key);
  return show(here, reply, {
    title: tell('joinTitle'),
    lede: tell.html('joinLede', { upstream, label: html`<strong>${arrival.label}</strong>` }),
    body: html`
      ${Object.keys(errors).length > 1 ? errorSummary({ errors, labels, locale }) : ''}
      ${form({
        url: `${url}/new`,
        token: here.formToken,
        body: html`
          ${field({ name: 'given_name', label: say('givenName'), locale, value: given.givenName, autocomplete: 'given-name', maxlength: 120, error: errors.given_name })}
          ${field({ name: 'family_name', label: say('familyName'), locale, value: given.familyName, autocomplete: 'family-name', maxlength: 120, required: false, error: errors.family_name })}
          ${field({ name: 'username', label: say('newUsername'), locale, value: given.username, autocomplete: 'username', literal: true, maxlength: 64, help: community.usernames.hint, error: errors.username })}
          ${field({ name: 'email', type: 'email', label: say('address'), locale, value: given.address, autocomplete: 'email', maxlength: 254, help: isProved ? tell('addressProved', { upstream }) : tell('addressAsked'), error: errors.email })}
          ${page.declared.filter(isAskedAtFirst).map((one) => attributeField(one, given.attributes[one.name], locale, errors[`attribute_${one.name}`]))}
          ${button({ label: tell('makeAccount'), id: 'join', full: true })}`,
      })}
      ${linkButton({ label: tell('haveAccount'), url: `${url}/link`, style: 'plain', full: true })}`,
    status: page.problem ? pageStatus[page.problem.code] : 200,
  });
}
