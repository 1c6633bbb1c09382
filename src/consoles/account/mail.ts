/**
 * `/account/mail`: what became of mail from apps, what each may send, and who was refused. Always of the person of the
 * session; who sent something is told, what it says is known to nobody.
 */
import { Problem } from '#core/problem.ts';
import { askForSender, choicesOf, saveChoice } from '#fronts/relay/choices.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { type Home, home } from './guest.ts';
import { words } from './mail.words.ts';
import { domainOf, type MailApp, mailApps, mailFacts } from './mail-facts.ts';
import { appBody, askBody, mailBody } from './mail-view.ts';

const anId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The routes below /account/mail. */
export function mailRoutes(app: App, needs: PageNeeds): void {
  app.get('/account/mail', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const { before = '', said } = request.query as Record<string, string | undefined>;
    const facts = await needs.database.read(here.context, (tx) =>
      mailFacts(tx, here.signedOn.person.id, anId.test(before) ? before : undefined),
    );
    const tell = words(here.locale);
    return show(here, reply, {
      title: tell('title'),
      lede: tell('lede', { community: here.community.name }),
      width: 'wide',
      body: mailBody(here, facts, { said, isLater: anId.test(before) }),
    });
  });

  app.post('/account/mail/pause', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const paused = request.form.text('paused') === 'yes';
    const person = here.signedOn.person.id;
    await needs.database.transact(here.context, (tx) => saveChoice(tx, { person, change: { paused } }));
    return reply.redirect(`/account/mail?said=${paused ? 'paused' : 'resumed'}`, 303);
  });

  appRoutes(app, needs);
  askRoutes(app, needs);
}

function appRoutes(app: App, needs: PageNeeds): void {
  const path = '/account/mail/apps/:app';
  app.get(path, { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const { of, mailbox } = await needs.database.read(here.context, (tx) => atApp(tx, here, request));
    const tell = words(here.locale);
    return show(here, reply, {
      title: tell('appTitle', { app: of.title }),
      ...(mailbox && { lede: tell('appLede', { mailbox }) }),
      body: appBody(here, of, mailbox),
    });
  });

  app.post(path, { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const said = (name: string) => request.form.text(name) !== '';
    await needs.database.transact(here.context, async (tx) => {
      const { of } = await atApp(tx, here, request);
      await saveChoice(tx, {
        person: here.signedOn.person.id,
        application: of.id,
        change: {
          paused: said('paused'),
          digests: said('digests'),
          // Where the box is not shown nobody has decided anything.
          ...(of.mode === 'rewritten' && { reveal: said('reveal') }),
        },
      });
    });
    return reply.redirect('/account/mail?said=saved', 303);
  });
}

async function atApp(
  tx: Tx,
  here: Home,
  request: { params: unknown },
): Promise<{ of: MailApp; mailbox: string | undefined }> {
  const id = String((request.params as Record<string, unknown>).app ?? '');
  const person = here.signedOn.person.id;
  const of = (await mailApps(tx, person, await choicesOf(tx, person))).find((one) => one.id === id);
  if (!of) throw new Problem('application-unknown');
  return { of, mailbox: (await mailFacts(tx, person)).mailbox?.address };
}

function askRoutes(app: App, needs: PageNeeds): void {
  app.get('/account/mail/ask', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const sender = domainOf({ sender: String((request.query as Record<string, unknown>).sender ?? '') });
    if (!sender) return reply.redirect('/account/mail', 303);
    return askPage(here, reply, { sender, note: '' });
  });

  app.post('/account/mail/ask', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const sender = domainOf({ sender: request.form.text('sender') });
    if (!sender) return reply.redirect('/account/mail', 303);
    // Browsers count a line's end once and send it as two.
    const note = request.form.text('note').replaceAll('\r\n', '\n').trim();
    const person = here.signedOn.person.id;
    try {
      await needs.database.transact(here.context, (tx) =>
        askForSender(tx, { person, sender, ...(note && { note }) }),
      );
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return askPage(here, reply, { sender, note }, error);
    }
    return reply.redirect('/account/mail?said=asked', 303);
  });
}

function askPage(
  here: Home,
  reply: Parameters<typeof show>[1],
  typed: { sender: string; note: string },
  problem?: Problem,
) {
  const tell = words(here.locale);
  const { sender } = typed;
  return show(here, reply, {
    title: tell('askFor', { sender }),
    lede: tell('askLede', { community: here.community.name }),
    body: askBody(here, typed, problem && problemWords(here.locale)(problem.code)),
    status: problem ? pageStatus[problem.code] : 200,
  });
}
