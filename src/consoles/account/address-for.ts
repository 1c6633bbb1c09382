/**
 * `/account/address-for`: what address each app knows the person by, where it is not simply their main one.
 * `/account/address-for/<app>` and, short enough to tell others, `/address-for/<app>`: the one to type there, and the way
 * to say "I already have an account there". Signed-out visitors sign in first: no address leads to an alias from outside.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AccountChoice, accountChoice, chooseAccount } from '#core/aliases/account-choices.ts';
import { listMailboxes, type Mailbox } from '#core/aliases/mailboxes.ts';
import { type Application, listApplications, requireApplication } from '#core/applications/applications.ts';
import { type Address, listAddresses } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { radios } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, emptyState, form, keyValues, linkButton, notice, section } from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { words } from './address-for.words.ts';
import { type Home, home } from './guest.ts';

interface AtApp {
  application: Application;
  profile: Profile;
  choice: AccountChoice;
  addresses: Address[];
  /** Those before the current one, still theirs. */
  earlier: Mailbox[];
}

/** GET /account/address-for, GET and POST /account/address-for/:id, GET /address-for/:id. */
export function addressForRoutes(app: App, needs: PageNeeds): void {
  app.get('/account/address-for', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const apps = await needs.database.read(here.context, (tx) => appsWithMailboxes(tx, needs, here));
    return listPage(here, reply, apps);
  });

  app.get('/address-for/:id', { config: { door: 'page' } }, async (request, reply) => {
    const id = idOf(request);
    const here = await home(needs, request, reply, id);
    if (!here) return reply;
    return reply.redirect(`/account/address-for/${encodeURIComponent(id)}`, 303);
  });

  app.get('/account/address-for/:id', { config: { door: 'page' } }, async (request, reply) => {
    const id = idOf(request);
    const here = await home(needs, request, reply, id);
    if (!here) return reply;
    return appPage(here, reply, await needs.database.read(here.context, (tx) => atApp(tx, needs, here, id)));
  });

  app.post('/account/address-for/:id', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here || !(await proved(needs, here, reply))) return reply;
    const id = idOf(request);
    const said = request.form.text('account');
    try {
      await needs.database.transact(here.context, async (tx) => {
        const { application } = await atApp(tx, needs, here, id);
        const given =
          said === 'mailbox' ? ({ choice: said } as const) : { choice: 'own' as const, address: said };
        await chooseAccount(tx, application, { person: here.signedOn.person.id, ...given });
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const now = await needs.database.read(here.context, (tx) => atApp(tx, needs, here, id));
      return appPage(here, reply, now, error);
    }
    return reply.redirect(`/account/address-for/${encodeURIComponent(id)}`, 303);
  });
}

function idOf(request: FastifyRequest): string {
  return String((request.params as Record<string, unknown>).id ?? '');
}

/** Apps the person may enter that expect mailboxes, or where they said something about it. */
async function appsWithMailboxes(
  tx: Tx,
  needs: PageNeeds,
  here: Home,
): Promise<{ application: Application; profile: Profile }[]> {
  const found = [];
  for (const application of await listApplications(tx)) {
    if (!application.settings.enabled) continue;
    const [profile] = await profilesFor(tx, needs.secrets, application, [here.signedOn.person.id]);
    if (profile?.mayEnter && usesMailboxes(application, profile)) found.push({ application, profile });
  }
  return found;
}

function usesMailboxes(application: Application, profile: Profile): boolean {
  return application.settings.alias.address === 'mailbox' || profile.accountChoice === 'mailbox';
}

async function atApp(tx: Tx, needs: PageNeeds, here: Home, id: string): Promise<AtApp> {
  const person = here.signedOn.person.id;
  const application = await requireApplication(tx, id);
  if (!application.settings.enabled) throw new Problem('application-disabled');
  const [profile] = await profilesFor(tx, needs.secrets, application, [person]);
  if (!profile?.mayEnter) throw new Problem('application-forbidden');
  const mailboxes = (await listMailboxes(tx, [person])).get(person) ?? [];
  return {
    application,
    profile,
    choice: await accountChoice(tx, application, person),
    addresses: (await listAddresses(tx, [person])).filter((one) => one.verifiedAt !== undefined),
    earlier: mailboxes.filter((one) => one.state === 'kept'),
  };
}

function listPage(
  here: Home,
  reply: FastifyReply,
  apps: readonly { application: Application; profile: Profile }[],
): FastifyReply {
  const say = words(here.locale);
  const back = linkButton({ label: say('back'), url: '/apps', style: 'quiet' });
  const rows = apps.map(({ application, profile }) => ({
    key: application.settings.title,
    value: profile.accountAddress ?? say('none'),
    copy: profile.accountAddress !== undefined,
    action: linkButton({
      label: say('changeAt', { app: application.settings.title }),
      url: `/account/address-for/${application.id}`,
      style: 'plain',
    }),
  }));
  const body =
    rows.length === 0
      ? emptyState({ title: say('noApps'), text: say('noAppsText'), action: back })
      : html`<div class="stack">${keyValues({ rows, locale: here.locale })}${back}</div>`;
  return show(here, reply, {
    title: say('title'),
    lede: say('lede', { community: here.community.name }),
    width: 'wide',
    body,
  });
}

function appPage(here: Home, reply: FastifyReply, at: AtApp, problem?: Problem): FastifyReply {
  const say = words(here.locale);
  const app = at.application.settings.title;
  const { accountAddress, accountChoice: kind } = at.profile;
  const refused =
    problem && notice({ tone: 'danger', text: problemWords(here.locale)(problem.code), id: 'refused' });
  const rows = [{ key: say('at', { app }), value: accountAddress ?? '', copy: true }];
  const known = accountAddress
    ? keyValues({ rows, locale: here.locale })
    : notice({ tone: 'warning', text: say('none') });
  const body = html`<div class="stack">${refused}${known}${usesMailboxes(at.application, at.profile) && choiceForm(here, at)}${earlier(here, at)}${linkButton({ label: say('back'), url: '/apps', style: 'quiet', full: true })}</div>`;
  return show(here, reply, {
    title: say('youAre', { app }),
    lede: accountAddress && say(kind === 'mailbox' ? 'youAreLede' : 'ownLede', { app }),
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}

function choiceForm(here: Home, at: AtApp): Html {
  const say = words(here.locale);
  const app = at.application.settings.title;
  const { mailbox } = at.profile;
  const own = at.addresses.map(({ id, address }) => ({
    value: id,
    label: say('own', { address }),
    help: say('ownHelp'),
  }));
  const usual = mailbox
    ? [{ value: 'mailbox', label: say('mailbox', { address: mailbox }), help: say('mailboxHelp') }]
    : [];
  const main = at.addresses.find((one) => one.primary)?.id;
  const value = at.choice.choice === 'mailbox' ? 'mailbox' : (at.choice.address ?? main);
  return form({
    url: `/account/address-for/${at.application.id}`,
    token: here.formToken,
    body: html`${radios({ name: 'account', legend: say('which', { app }), options: [...usual, ...own], value, help: say('noOwn') })}${button({ label: say('save'), id: 'save', full: true })}`,
  });
}

function earlier(here: Home, at: AtApp): Html | undefined {
  if (at.earlier.length === 0) return undefined;
  const say = words(here.locale);
  const list = at.earlier.map((one) => html`<li><code>${one.address}</code></li>`);
  return section({ title: say('earlier'), body: html`<p>${say('earlierText')}</p><ul>${list}</ul>` });
}
