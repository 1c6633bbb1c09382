/**
 * Letters in a community's own words: what can be said differently, what is said now, and how it would look. Previews are
 * pages of their own that load nothing and run nothing, with values made up.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { community } from '#core/community/community.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { noticeKinds } from '#notices/intake.ts';
import { type Letter, letterHtml, letterText } from '#notices/letter.ts';
import { logoFate, logoFates } from '#notices/logo.ts';
import { ourWords, sampleLetter } from '#notices/sample.ts';
import {
  findingsOf,
  findTemplate,
  type KeptTemplate,
  letterLocales,
  listTemplates,
  type MailTemplate,
  mailTemplate,
  removeTemplate,
  saveTemplate,
  templateParts,
  templateShape,
} from '#notices/templates.ts';
import { sendNow } from '#notices/test-letter.ts';
import type { Api, ApiNeeds } from './api.ts';
import { FieldsRefused } from './errors.ts';
import { addressFor, takeTest } from './mail-health.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];
const params = z.strictObject({ kind: z.enum(noticeKinds), locale: z.string().max(35) });

const texts = z.object({
  subject: z.string().optional(),
  text: z.string().optional(),
  action: z.string().optional(),
  after: z.string().optional(),
});

const shape = z.object({
  kind: z.enum(noticeKinds),
  parts: z.array(z.enum(templateParts)).describe('What can be said differently.'),
  placeholders: z.array(z.string()).describe('Values it can fill in, written {name}.'),
  needed: z.array(z.string()).describe('Those its text cannot go without.'),
  languages: z.array(
    z.object({
      locale: z.string(),
      ours: texts.describe('Our words.'),
      own: texts.optional().describe('The community’s, where there are some; what is left out stays ours.'),
      updatedAt: moment.optional(),
    }),
  ),
});

const kept = z.object({ kind: z.enum(noticeKinds), locale: z.string(), template: texts, updatedAt: moment });

export function mailTemplateRoutes(api: Api): void {
  readTemplates(api);
  changeTemplates(api);
  previewRoute(api);
  sendRoute(api);
  frameRoute(api);
}

function readTemplates({ scope, read }: Api): void {
  scope.get(
    '/mail/templates',
    {
      config: { door: 'api', permission: 'community.read' },
      schema: {
        tags,
        summary: 'Every letter: what can be said differently, in which languages, and what is',
        response: { 200: z.object({ locales: z.array(z.string()), items: z.array(shape) }) },
      },
    },
    async (request) => {
      const own = await read(request, listTemplates);
      return { locales: letterLocales(), items: noticeKinds.map((kind) => shown(kind, own)) };
    },
  );
}

function shown(kind: (typeof noticeKinds)[number], own: readonly KeptTemplate[]) {
  return {
    ...templateShape(kind),
    languages: letterLocales().map((locale) => {
      const found = own.find((one) => one.kind === kind && one.locale === locale);
      return { locale, ours: ourWords(kind, locale), own: found?.template, updatedAt: found?.updatedAt };
    }),
  };
}

/** Refuses a template at the parts that are wrong, each with a sentence. */
function check(kind: (typeof noticeKinds)[number], locale: string, template: MailTemplate): void {
  const findings = findingsOf(kind, locale, template);
  if (findings.length === 0) return;
  const sentence = (part: string, text: string) => (part === 'locale' ? `${text}.` : `It ${text}.`);
  throw new FieldsRefused(
    findings.map(({ part = 'locale', text }) => ({ path: part, text: sentence(part, text) })),
  );
}

function changeTemplates({ scope, change }: Api): void {
  scope.put(
    '/mail/templates/:kind/:locale',
    {
      config: { door: 'api', permission: 'community.write' },
      schema: {
        tags,
        summary: 'Say a letter in words of your own; what is left out stays ours',
        params,
        body: mailTemplate,
        response: { 200: kept },
      },
    },
    async (request) => {
      const { kind, locale } = request.params;
      check(kind, locale, request.body);
      return change(request, async (tx) => {
        await saveTemplate(tx, kind, locale, request.body);
        return (await findTemplate(tx, kind, locale))!;
      });
    },
  );
  scope.delete(
    '/mail/templates/:kind/:locale',
    {
      config: { door: 'api', permission: 'community.write' },
      schema: {
        tags,
        summary: 'Say it in the built-in words again',
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { kind, locale } = request.params;
      const removed = await change(request, (tx) => removeTemplate(tx, kind, locale));
      if (!removed) throw new Problem('not-found');
      return reply.code(204).send();
    },
  );
}

const draft = z
  .strictObject({ template: mailTemplate.optional().describe('As typed; left out, as it is kept now.') })
  .optional();

/** The letter as it would be sent, about somebody made up. */
async function letterOf(
  tx: Tx,
  { publicUrl }: ApiNeeds,
  { kind, locale }: z.infer<typeof params>,
  typed: MailTemplate | undefined,
): Promise<{ letter: Letter; template?: MailTemplate; logo: (typeof logoFates)[number] }> {
  if (!letterLocales().includes(locale)) throw new Problem('not-found');
  if (typed) check(kind, locale, typed);
  const template = typed ?? (await findTemplate(tx, kind, locale))?.template;
  const settings = await community(tx);
  const letter = sampleLetter({ kind, locale, template, community: settings, publicUrl, now: tx.now() });
  return { letter, template, logo: logoFate(settings) };
}

function previewRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/mail/templates/:kind/:locale/preview',
    {
      config: { door: 'api', permission: 'community.read' },
      schema: {
        tags,
        summary: 'How a letter would look, with values made up; nothing is kept or sent',
        params,
        body: draft,
        response: {
          200: z.object({
            subject: z.string(),
            text: z.string().describe('The plain text part.'),
            light: z.string().describe('Address of the HTML part on a page that loads and runs nothing.'),
            dark: z.string(),
            logo: z
              .enum(logoFates)
              .describe(
                'Of the community: PNG and JPEG are shown, others are left out, as mail programs do.',
              ),
          }),
        },
      },
    },
    async (request) => {
      const { letter, template, logo } = await read(request, (tx) =>
        letterOf(tx, needs, request.params, request.body?.template),
      );
      const sealed = sealFrame(needs, { ...request.params, template });
      const at = (scheme: string) => `/api/v1/mail/letter?draft=${sealed}&scheme=${scheme}`;
      const { subject } = letter;
      return { subject, text: letterText(letter), light: at('light'), dark: at('dark'), logo };
    },
  );
}

function sendRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/mail/templates/:kind/:locale/send',
    {
      config: { door: 'api', permission: 'community.write' },
      schema: {
        tags,
        summary: 'Send it to the caller’s own main address, with values made up',
        params,
        body: draft,
        response: {
          200: z.object({
            to: z.string(),
            state: z.enum(['taken', 'later', 'refused']),
            answer: z.string(),
            why: z.string().optional(),
          }),
        },
      },
    },
    async (request) => {
      const { to, letter } = await read(request, async (tx) => ({
        to: (await addressFor(tx, request.caller, undefined)).address,
        letter: (await letterOf(tx, needs, request.params, request.body?.template)).letter,
      }));
      await takeTest(needs, request.caller);
      const { state, answer, why } = await sendNow(needs.mailer, {
        to,
        letter,
        mailDomain: needs.mailDomain,
      });
      return { to, state, answer, why };
    },
  );
}

interface Framed extends z.infer<typeof params> {
  template?: MailTemplate;
}

const macBytes = 16;
const macName = 'letter frame';

/** What a frame shows stands in its address, made by us alone: nobody else can put words on a page of ours. */
function sealFrame({ secrets }: ApiNeeds, framed: Framed): string {
  const text = deflateRawSync(JSON.stringify(framed)).toString('base64url');
  const mac = secrets.mac(macName, text).subarray(0, macBytes).toString('base64url');
  return `${mac}.${text}`;
}

function openFrame({ secrets }: ApiNeeds, sealed: string): Framed {
  const [mac = '', text = ''] = sealed.split('.');
  const given = Buffer.from(mac, 'base64url');
  if (!secrets.macs(macName, text).some((one) => one.subarray(0, macBytes).equals(given)))
    throw new Problem('not-found');
  const opened = inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: 65_536 });
  return JSON.parse(opened.toString()) as Framed;
}

/** Loads nothing but the logo that stands in it, runs nothing, and stands in a frame of our own pages alone. */
const framePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'";

function frameRoute({ scope, needs }: Api): void {
  scope.get(
    '/mail/letter',
    {
      config: { door: 'public' },
      schema: {
        tags,
        summary: 'The page of a preview, as its answer names it',
        response: { 200: z.string() },
        querystring: z.strictObject({ draft: z.string().max(12_000), scheme: z.enum(['light', 'dark']) }),
      },
    },
    async (request, reply) => {
      const { draft: sealed, scheme } = request.query;
      const { template, ...place } = openFrame(needs, sealed);
      const { letter } = await needs.database.read(
        { actor: { kind: 'anonymous' }, cause: 'request', requestId: request.requestId },
        (tx) => letterOf(tx, needs, place, template),
      );
      return reply
        .headers({ 'content-security-policy': framePolicy, 'x-frame-options': 'SAMEORIGIN' })
        .type('text/html; charset=utf-8')
        .serializer(String)
        .send(letterHtml(letter, scheme));
    },
  );
}
