/** How one signs in (`/account/signing-in`): passkeys, the authenticator app, recovery codes, remembered browsers. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { cancelReset, openReset } from '#core/credentials/factor-resets.ts';
import { type Factors, factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { type Passkey, passkeysOf, removePasskey, renamePasskey } from '#core/credentials/passkeys.ts';
import { dropRecoveryCodes, makeRecoveryCodes, recoveryCodesOf } from '#core/credentials/recovery-codes.ts';
import { forgetRemembered, type RememberedDevice, rememberedDevices } from '#core/credentials/remembered.ts';
import { removeTotp, totpOf } from '#core/credentials/totp.ts';
import { holdPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { listSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { field } from '#kit/page/fields.ts';
import { type Html, html, join } from '#kit/page/html.ts';
import {
  button,
  emptyState,
  form,
  formButton,
  lines,
  linkButton,
  notice,
  section,
  time,
} from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { codesPage } from '#signon/enrol.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { needsFactor } from '#signon/factor-policy.ts';
import { type FactorNeeds, show } from '#signon/visit.ts';
import { addFactorRoutes } from './add-factor.ts';
import { words } from './factors.words.ts';
import { type Home, home } from './guest.ts';

const base = '/account/signing-in';

/** The routes of /account/signing-in. */
export function factorRoutes(app: App, needs: FactorNeeds): void {
  app.get(base, { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    return overview(needs, here, reply, (request.query as Record<string, string | undefined>).said);
  });
  addFactorRoutes(app, needs);
  passkeyRoutes(app, needs);
  removalRoutes(app, needs);
}

function idOf(request: FastifyRequest): string {
  return String((request.params as Record<string, unknown>).id ?? '');
}

function passkeyRoutes(app: App, needs: FactorNeeds): void {
  const one = async (here: Home, id: string) => {
    const { person } = here.signedOn;
    const mine = await needs.database.read(here.context, (tx) => passkeysOf(tx, person.id));
    const found = mine.find((passkey) => passkey.id === id);
    if (!found) throw new Problem('not-found');
    return found;
  };

  app.get(`${base}/passkeys/:id`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    return here ? renamePage(here, reply, await one(here, idOf(request))) : reply;
  });

  app.post(`${base}/passkeys/:id`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const passkey = await one(here, idOf(request));
    const name = request.form.text('name').trim().slice(0, 60);
    if (!name) return renamePage(here, reply, passkey, new Problem('attribute-required'));
    await needs.database.transact(here.context, (tx) =>
      renamePasskey(tx, here.signedOn.person.id, passkey.id, name),
    );
    return reply.redirect(`${base}?said=name`, 303);
  });
}

function removalRoutes(app: App, needs: FactorNeeds): void {
  const act = (
    path: string,
    said: string,
    work: (tx: Tx, here: Home, request: FastifyRequest) => Promise<unknown>,
  ) =>
    app.post(`${base}${path}`, { config: { door: 'form' } }, async (request, reply) => {
      const here = await home(needs, request, reply);
      if (!here || !(await proved(needs, here, reply))) return reply;
      try {
        await needs.database.transact(here.context, (tx) => work(tx, here, request));
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'factor-last') throw error;
        return overview(needs, here, reply, undefined, error);
      }
      return reply.redirect(`${base}?said=${said}`, 303);
    });

  act('/passkeys/:id/remove', 'removed', (tx, here, request) =>
    removing(tx, here, (person) => removePasskey(tx, person, idOf(request))),
  );
  act('/app/remove', 'removed', (tx, here) => removing(tx, here, (person) => removeTotp(tx, person)));
  act('/devices/:id/forget', 'forgotten', (tx, here, request) =>
    forgetRemembered(tx, here.signedOn.person.id, idOf(request)),
  );
  act('/reset/stop', 'reset', (tx, here) => {
    const { id } = here.signedOn.person;
    return cancelReset(tx, id, id);
  });

  app.post(`${base}/codes`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const codes = await needs.database.transact(here.context, (tx) =>
      makeRecoveryCodes(tx, here.signedOn.person.id),
    );
    return codesPage(here, reply, { codes }, base);
  });
}

/**
 * Takes something away. Where a factor is needed the last one stays (`factor-last`); what stood in for factors that are
 * gone goes with them.
 */
async function removing(tx: Tx, here: Home, remove: (person: string) => Promise<boolean>): Promise<void> {
  const { id } = here.signedOn.person;
  await holdPerson(tx, id);
  if (!(await remove(id))) return;
  const left = hasFactor(await factorsOf(tx, id));
  if (!left && (await needsFactor(tx, id, here.community.factors))) throw new Problem('factor-last');
  await forgetRemembered(tx, id);
  if (!left) await dropRecoveryCodes(tx, id);
}

async function readFacts(tx: Tx, person: string) {
  return {
    passkeys: await passkeysOf(tx, person),
    app: await totpOf(tx, person),
    codes: await recoveryCodesOf(tx, person),
    devices: await rememberedDevices(tx, person),
    reset: await openReset(tx, person),
    sessions: (await listSessions(tx, person)).length,
  };
}

async function overview(
  needs: FactorNeeds,
  here: Home,
  reply: FastifyReply,
  said: string | undefined,
  problem?: Problem,
): Promise<FastifyReply> {
  const { person } = here.signedOn;
  const facts = await needs.database.read(here.context, (tx) => readFacts(tx, person.id));
  const say = words(here.locale);
  const texts = {
    passkey: 'savedPasskey',
    app: 'savedApp',
    removed: 'savedRemoved',
    name: 'savedName',
    forgotten: 'savedForgotten',
    reset: 'savedReset',
  } as const;
  const key = said && Object.hasOwn(texts, said) ? texts[said as keyof typeof texts] : undefined;
  const has = facts.passkeys.length > 0 || facts.app !== undefined;
  const others = said && changes.has(said) ? facts.sessions - 1 : 0;
  const body = html`<div class="stack">
    ${problem ? notice({ tone: 'danger', text: problemWords(here.locale)(problem.code), id: 'problem' }) : ''}
    ${key ? notice({ tone: 'success', text: say(key) }) : ''}
    ${others > 0 ? othersOffer(here, others) : ''}
    ${facts.reset?.dueAt ? resetNotice(here, facts.reset.dueAt) : ''}
    ${passkeySection(here, facts.passkeys)}
    ${appSection(here, facts.app)}
    ${has || facts.codes ? codeSection(here, facts.codes) : ''}
    ${facts.devices.length > 0 ? deviceSection(here, facts.devices) : ''}
    <div>${linkButton({ label: say('back'), url: '/account', style: 'quiet' })}</div></div>`;
  return show(here, reply, {
    title: say('title'),
    lede: say('lede'),
    width: 'wide',
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}

/** What was added or taken away; whoever changes that may want to be the only one who is signed in. */
const changes = new Set(['passkey', 'app', 'removed']);

function othersOffer(here: Home, count: number): Html {
  const say = words(here.locale);
  const url = '/account/sessions/end-others';
  return html`<div class="stack-s">${notice({ tone: 'info', text: say('others', { count }), id: 'others' })}
    ${formButton({ label: say('endOthers'), url, token: here.formToken, id: 'end-others' })}</div>`;
}

function resetNotice(here: Home, due: Date): Html {
  const say = words(here.locale);
  const when = time({ at: due, now: here.now, locale: here.locale });
  return html`<div class="stack-s">${notice({ tone: 'warning', title: say('resetTitle'), text: say.html('resetText', { when }), id: 'reset-planned' })}
    ${formButton({ label: say('stopReset'), url: `${base}/reset/stop`, token: here.formToken, id: 'stop-reset' })}</div>`;
}

function joined(parts: (string | Html | undefined)[]): Html {
  const there = parts.filter((part) => part !== undefined);
  return join(there.map((part, index) => html`${index > 0 ? ' · ' : ''}${part}`));
}

function used(here: Home, at: Date | undefined): string | Html {
  const { locale, now } = here;
  const say = words(locale);
  return at ? say.html('lastUsed', { when: time({ at, now, locale }) }) : say('neverUsed');
}

function passkeySection(here: Home, passkeys: readonly Passkey[]): Html {
  const { locale, now, formToken: token } = here;
  const say = words(locale);
  const items = passkeys.map((one) => ({
    what: one.name,
    more: joined([
      say(one.synced ? 'synced' : 'oneDevice'),
      say.html('added', { when: time({ at: one.createdAt, now, locale }) }),
      used(here, one.lastUsedAt),
    ]),
    actions: html`${linkButton({ label: say('rename'), url: `${base}/passkeys/${one.id}`, style: 'quiet', compact: true })}
      ${formButton({ label: say('remove'), describe: say('removeNamed', { name: one.name }), url: `${base}/passkeys/${one.id}/remove`, token, compact: true })}`,
  }));
  const empty = emptyState({ title: say('noPasskeys'), text: say('noPasskeysText') });
  return section({
    title: say('passkeys'),
    id: 'passkey-section',
    body: items.length > 0 ? lines({ items, label: say('passkeys') }) : empty,
    action: here.community.factors.methods.includes('passkey')
      ? linkButton({ label: say('addPasskey'), url: `${base}/passkey`, style: 'quiet', compact: true })
      : undefined,
  });
}

function appSection(here: Home, app: { addedAt: Date; lastUsedAt?: Date } | undefined): Html {
  const { locale, now, formToken: token } = here;
  const say = words(locale);
  const added = app && say.html('added', { when: time({ at: app.addedAt, now, locale }) });
  const items = [
    {
      what: say('appIs'),
      more: joined([added, used(here, app?.lastUsedAt)]),
      actions: formButton({
        label: say('remove'),
        describe: say('removeApp'),
        url: `${base}/app/remove`,
        token,
        compact: true,
      }),
    },
  ];
  return section({
    title: say('app'),
    id: 'app-section',
    body: app
      ? lines({ items, label: say('app') })
      : emptyState({ title: say('noApp'), text: say('noAppText') }),
    action: here.community.factors.methods.includes('totp')
      ? linkButton({
          label: say(app ? 'changeApp' : 'addApp'),
          url: `${base}/app`,
          style: 'quiet',
          compact: true,
        })
      : undefined,
  });
}

function codeSection(here: Home, codes: { madeAt: Date; left: number } | undefined): Html {
  const { locale, now, formToken: token } = here;
  const say = words(locale);
  const left = codes && { count: codes.left, when: time({ at: codes.madeAt, now, locale }) };
  return section({
    title: say('codes'),
    id: 'codes-section',
    body: html`<p>${left ? say.html('codesLeft', left) : say('noCodes')}</p>`,
    action: formButton({
      label: say('makeCodes'),
      url: `${base}/codes`,
      token,
      id: 'make-codes',
      compact: true,
    }),
  });
}

function deviceSection(here: Home, devices: readonly RememberedDevice[]): Html {
  const { locale, now, formToken: token } = here;
  const say = words(locale);
  const items = devices.map((one) => ({
    what: one.label,
    more: joined([
      used(here, one.lastUsedAt),
      say.html('until', { when: time({ at: one.expiresAt, now, locale }) }),
    ]),
    actions: formButton({
      label: say('forget'),
      describe: say('forgetNamed', { name: one.label }),
      url: `${base}/devices/${one.id}/forget`,
      token,
      compact: true,
    }),
  }));
  return section({
    title: say('devices'),
    id: 'device-section',
    lede: say('devicesLede'),
    body: lines({ items, label: say('devices') }),
  });
}

function renamePage(here: Home, reply: FastifyReply, passkey: Passkey, problem?: Problem): FastifyReply {
  const say = words(here.locale);
  const { locale } = here;
  return show(here, reply, {
    title: say('renameTitle'),
    body: form({
      url: `${base}/passkeys/${passkey.id}`,
      token: here.formToken,
      body: html`${field({ name: 'name', label: say('passkeyName'), help: say('passkeyNameHelp'), locale, value: passkey.name, maxlength: 60, error: problem && problemWords(locale)(problem.code) })}
        ${button({ label: say('save'), id: 'save', full: true })}
        ${linkButton({ label: say('cancel'), url: base, style: 'quiet', full: true })}`,
    }),
    status: problem ? pageStatus[problem.code] : 200,
  });
}

/** On the account page: what there is, and the way to it. */
export function factorSection(here: Home, factors: Factors): Html {
  const say = words(here.locale);
  const { passkeys, totp, recoveryCodes } = factors;
  const text = hasFactor(factors)
    ? say('summary', { passkeys, app: totp ? 'yes' : 'no', codes: recoveryCodes })
    : say('none');
  return section({
    title: say('title'),
    id: 'factor-section',
    body: html`<p>${text}</p>`,
    action: linkButton({ label: say('look'), url: base, style: 'quiet', compact: true }),
  });
}
