/** `/account/profile`: names, language and the community's own attributes. */

import type { FastifyReply } from 'fastify';
import {
  type AttributeDeclaration,
  attributeDeclarations,
  attributesOf,
  setAttributes,
} from '#core/people/attributes.ts';
import { longestDisplayName } from '#core/people/names.ts';
import { changeNames } from '#core/people/people.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { field, selectField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, errorSummary, form, linkButton } from '#kit/page/parts.ts';
import { availableLocales, chooseLocale, everyLocale } from '#kit/page/words.ts';
import { attributeField, readAttributeForm } from '#signon/attribute-fields.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { type Home, home } from './guest.ts';

interface ProfileForm {
  displayName: string;
  givenName: string;
  familyName: string;
  locale?: string;
  attributes: Record<string, unknown>;
}

/** GET and POST /account/profile. */
export function profileRoutes(app: App, needs: PageNeeds): void {
  app.get('/account/profile', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const { person } = here.signedOn;
    const { declared, values } = await needs.database.read(here.context, async (tx) => ({
      declared: await attributeDeclarations(tx),
      values: (await attributesOf(tx, [person.id])).get(person.id) ?? {},
    }));
    return profilePage(here, reply, declared, { ...person, attributes: values });
  });

  app.post('/account/profile', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const declared = await needs.database.read(here.context, attributeDeclarations);
    const locale = request.form.text('locale');
    const given: ProfileForm = {
      displayName: request.form.text('display_name'),
      givenName: request.form.text('given_name'),
      familyName: request.form.text('family_name'),
      // What stands there without being asked for stays: it may say more, such as where a language is spoken.
      locale: everyLocale().includes(locale) && locale !== shownLocale(here) ? locale : undefined,
      attributes: readAttributeForm(request.form, declared.filter(own)),
    };
    try {
      await needs.database.transact(here.context, async (tx) => {
        await changeNames(tx, here.signedOn.person.id, given);
        await setAttributes(tx, here.signedOn.person.id, given.attributes, 'self');
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return profilePage(here, reply, declared, given, error);
    }
    return reply.redirect('/account?said=saved', 303);
  });
}

/** What operators alone see is asked at sign-up at most, and not shown again. */
function own(one: AttributeDeclaration): boolean {
  return one.editable === 'self' && one.visible !== 'operators';
}

const shownLocale = ({ signedOn }: Home): string => chooseLocale(signedOn.person.locale, everyLocale());

/** Letters are written in languages that pages do not speak yet. */
function languageField(here: Home, given: string | undefined): Html | '' {
  const { tell, locale } = here;
  const nameOf = (value: string, by: string) =>
    new Intl.DisplayNames([by], { type: 'language' }).of(value) ?? value;
  const options = everyLocale().map((value) => ({ value, label: nameOf(value, value) }));
  if (options.length < 2) return '';
  const pages = availableLocales();
  const spoken = new Intl.ListFormat(locale).format(pages.map((one) => nameOf(one, locale)));
  const help = pages.length < options.length ? tell('languageHelp', { pages: spoken }) : undefined;
  const value = given ?? shownLocale(here);
  return selectField({ name: 'locale', label: tell('language'), locale, value, options, help });
}

function profilePage(
  here: Home,
  reply: FastifyReply,
  declared: readonly AttributeDeclaration[],
  given: ProfileForm,
  problem?: Problem,
): FastifyReply {
  const { tell, locale } = here;
  const texts = problemWords(locale);
  const codes = Object.entries(problem?.facts.fields ?? {}).map(([name, code]): [string, ProblemCode] => [
    declared.some((one) => one.name === name) ? `attribute_${name}` : name,
    code,
  ]);
  const errors = Object.fromEntries(codes.map(([name, code]) => [name, texts(code)]));
  if (problem && codes.length === 0) errors.display_name = texts(problem.code);
  const body = html`${Object.keys(errors).length > 1 ? errorSummary({ errors, locale }) : ''}${form({
    url: '/account/profile',
    token: here.formToken,
    body: html`
      ${field({ name: 'given_name', label: tell('givenName'), locale, value: given.givenName, autocomplete: 'given-name', required: false, maxlength: 120, error: errors.given_name })}
      ${field({ name: 'family_name', label: tell('familyName'), locale, value: given.familyName, autocomplete: 'family-name', required: false, maxlength: 120, error: errors.family_name })}
      ${field({ name: 'display_name', label: tell('displayName'), locale, value: given.displayName, autocomplete: 'name', maxlength: longestDisplayName, error: errors.display_name })}
      ${languageField(here, problem && given.locale)}
      ${declared.filter(own).map((one) => attributeField(one, given.attributes[one.name], locale, errors[`attribute_${one.name}`]))}
      ${button({ label: tell('save'), id: 'save', full: true })}
      ${linkButton({ label: tell('cancel'), url: '/account', style: 'quiet', full: true })}`,
  })}`;
  return show(here, reply, {
    title: tell('editProfile'),
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}
