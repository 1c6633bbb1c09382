/**
 * What a sign-in would tell an app of a person, where each of it comes from, and what that app lacks. Nobody is signed in
 * and nothing is sent: fronts render what they always render, from the profile they always read. Records nothing.
 */
import { aliasesAt } from '#core/aliases/aliases.ts';
import type { Application, ApplicationSettings } from '#core/applications/applications.ts';
import { asksConsent } from '#core/applications/consent-asked.ts';
import { nameIdSource } from '#core/applications/saml-settings.ts';
import { type TemplateNeed, templateOf } from '#core/applications/templates.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { admit } from './gate.ts';

/** One thing an app would hear. */
export interface ToldValue {
  /** As the protocol names it: `NameID`, an attribute, a claim. */
  name: string;
  values: string[];
  /** Value of the profile: `email`, `attribute:NAME`, `subject`; `random` for what is new every time. */
  from: string;
  /** Format of a NameID or an attribute name, or the scope that asks for a claim. */
  more?: string;
}

export interface Telling {
  speaks: 'saml' | 'oidc';
  told: ToldValue[];
  /** Why there is no name for this person, where the app cannot be told one. */
  nameless?: ProblemCode;
  /** The message as it would be, but for its signature: nobody accepts this one. */
  message: string;
}

/** A front that can say what it would tell; undefined for apps it does not speak to. */
export type Teller = (tx: Tx, application: Application, profile: Profile) => Promise<Telling | undefined>;

export interface Lacking {
  value: TemplateNeed['value'];
  why: string;
  /** What to change. */
  change: string;
}

export interface SignInPreview {
  person: string;
  application: string;
  /** Why they would not be let in; undefined where they would. */
  refused?: ProblemCode;
  asksConsent: boolean;
  tellings: (Omit<Telling, 'told'> & { told: (ToldValue & { why: string })[] })[];
  lacking: Lacking[];
}

/** What signing in would tell this app of this person. Refuses with `person-unknown`. */
export async function previewSignIn(
  tx: Tx,
  needs: { secrets: Secrets; tellers: readonly Teller[] },
  application: Application,
  person: string,
): Promise<SignInPreview> {
  const [profile] = await profilesFor(tx, needs.secrets, application, [person]);
  if (!profile) throw new Problem('person-unknown');
  const given = (await aliasesAt(tx, application.id, [person])).has(person);
  const why = (from: string) => whyTold(application.settings, profile, from, given);
  const found = await Promise.all(needs.tellers.map((tell) => tell(tx, application, profile)));
  const tellings = found.filter((one) => one !== undefined);
  return {
    person,
    application: application.id,
    refused: await refusalOf(tx, needs.secrets, application, person),
    asksConsent: asksConsent(application),
    tellings: tellings.map((one) => ({
      ...one,
      told: one.told.map((value) => ({
        ...value,
        why: why(value.name === 'NameID' ? `nameId ${value.from}` : value.from),
      })),
    })),
    lacking: lackingOf(application, profile, tellings),
  };
}

async function refusalOf(
  tx: Tx,
  secrets: Secrets,
  application: Application,
  person: string,
): Promise<ProblemCode | undefined> {
  try {
    await admit(tx, secrets, application, person);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

const subjectKinds: Record<ApplicationSettings['subject'], string> = {
  pairwise: 'An id of this person for this app alone, always the same (subject: pairwise).',
  public: 'The id of this person for all apps that say so (subject: public).',
  username: 'The user name there, as the id (subject: username).',
};

const aliasRules: Record<ApplicationSettings['alias']['rule'], string> = {
  username: 'their user name (alias.rule: username)',
  lowercase: 'their user name in small letters (alias.rule: lowercase)',
  address: 'their main address (alias.rule: address)',
};

/** In a sentence: where a value comes from and which setting lets it out. */
function whyTold(settings: ApplicationSettings, profile: Profile, from: string, given: boolean): string {
  const [kind = '', name = ''] = from.startsWith('attribute:') ? ['attribute', from.slice(10)] : [from];
  const told = (claim: string) => `release.claims has ${claim}.`;
  switch (kind) {
    case 'nameId address':
      return `${addressSource(settings, profile)} The NameID is an address (saml.nameId).`;
    case 'email':
      return `${addressSource(settings, profile)} ${told('email')}`;
    case 'emailVerified':
      return `Whether we confirmed that address. ${told('email')}`;
    case 'nameId username':
      return `${usernameSource(settings, given)} The NameID is the user name (saml.nameId).`;
    case 'username':
      return `${usernameSource(settings, given)} ${told('username')}`;
    case 'nameId subject':
    case 'subject':
      return subjectKinds[settings.subject];
    case 'nameId random':
      return 'New at every sign-in: the app cannot recognise anyone by it (saml.nameId.format: transient).';
    case 'groups':
      return groupsSource(settings);
    case 'roles':
      return `From the groups this person is in, by the map under roles. ${told('roles')}`;
    case 'attribute':
      return `The field ${name} of the profile, which is released to this app.`;
    case 'locale':
      return `The language of the profile. ${told('locale')}`;
    case 'updatedAt':
      return `When the profile last changed. ${told('updated_at')}`;
    default:
      return `The name on the profile. ${told('name')}`;
  }
}

function addressSource({ alias }: ApplicationSettings, { accountChoice }: Profile): string {
  if (accountChoice === 'mailbox')
    return alias.address === 'mailbox'
      ? 'Their alias mailbox, as for everyone at this app (alias.address: mailbox).'
      : 'Their alias mailbox, as this person chose.';
  return alias.address === 'mailbox'
    ? 'The address of an account of their own, which this person keeps here instead of the alias mailbox.'
    : 'Their own address (alias.address: own).';
}

function usernameSource({ alias }: ApplicationSettings, given: boolean): string {
  return given
    ? 'The name this person was given at this app.'
    : `No name was given here, so ${aliasRules[alias.rule]}.`;
}

function groupsSource({ release, groupNames }: ApplicationSettings): string {
  const which = release.groups === 'all' ? 'All groups' : 'The groups listed in release.groups';
  const renamed = Object.keys(groupNames).length > 0 ? ', by the names under groupNames' : '';
  return `${which} this person is in${renamed}. release.claims has groups.`;
}

const claimOf: Record<string, string> = {
  givenName: 'name',
  familyName: 'name',
  name: 'name',
  username: 'username',
  email: 'email',
  emailVerified: 'email',
};

/** What the template says such an app cannot do without, and this person's sign-in does not bring. */
function lackingOf(application: Application, profile: Profile, tellings: readonly Telling[]): Lacking[] {
  const { settings } = application;
  const needs = settings.template === undefined ? [] : (templateOf(settings)?.needs ?? []);
  return needs.flatMap((need) => {
    if (isTold(need, profile, tellings)) return [];
    return [{ ...need, change: changeFor(need, settings, profile) }];
  });
}

function isTold({ value }: TemplateNeed, profile: Profile, tellings: readonly Telling[]): boolean {
  if (value === 'nameId') return tellings.every((one) => one.nameless === undefined);
  if (value === 'emailVerified')
    return profile.released.email === undefined || profile.released.emailVerified === true;
  return tellings.some(({ told }) => told.some((one) => one.from === value));
}

function changeFor({ value }: TemplateNeed, settings: ApplicationSettings, profile: Profile): string {
  const claim = claimOf[value];
  if (claim !== undefined && !settings.release.claims.some((one) => one === claim))
    return `Add ${claim} to release.claims of the app.`;
  if (value === 'nameId' && settings.saml && nameIdSource(settings.saml) === 'address')
    return profile.accountChoice === 'mailbox'
      ? 'This person has no alias mailbox: set up the alias domain.'
      : 'This person has no confirmed address: have one confirmed.';
  if (value === 'emailVerified' || value === 'email')
    return 'This person has no confirmed address: have one confirmed.';
  if (settings.saml && !attributeFor(settings, value))
    return `Send it as an attribute: add ${value} to saml.attributes.`;
  return value === 'familyName'
    ? 'This person has no last name: add one to the profile.'
    : 'This person has no such name: add one to the profile.';
}

function attributeFor({ saml }: ApplicationSettings, value: string): boolean {
  const given = saml?.attributes;
  return (
    given === undefined ||
    Object.values(given).some((one) => (typeof one === 'string' ? one : one.from) === value)
  );
}
