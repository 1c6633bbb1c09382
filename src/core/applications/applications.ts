/**
 * Applications: relying parties, service providers and (later) targets.
 * Owns `applications`, `consents`. Records application.*, consent.*. Refuses return addresses that are not safe,
 * weak secrets, and changes that would give everyone a new subject.
 */
import { hash as digest } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { record } from '#core/events/events.ts';
import { groupKey } from '#core/groups/groups.ts';
import { Problem } from '#core/problem.ts';
import { constantTimeEqual, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { isReturnUri, serverUri } from './addresses.ts';
import { faultsOfClientKeys } from './client-keys.ts';
import { oidcSettings } from './oidc-settings.ts';
import { nameIdSource, samlSettings } from './saml-settings.ts';
import * as store from './store.ts';

/** OIDC standard claims and ours that may be released; which scope asks for which is the OIDC front's matter. */
export const releasableClaims = [
  'name',
  'username',
  'email',
  'locale',
  'groups',
  'roles',
  'updated_at',
] as const;

/** Everything an application knows. `gatehouse apply` reads it under `applications:` beside `id` and `secret`. */
export const applicationSettings = z
  .strictObject({
    title: z
      .string()
      .trim()
      .min(1)
      .max(80)
      .describe('What people read on tiles, when they sign in, and when they are asked for consent.'),
    description: z
      .string()
      .max(300)
      .default('')
      .describe('A line below the title on the page with their apps.'),
    url: serverUri.optional().describe('Where people open the app.'),
    enabled: z
      .boolean()
      .default(true)
      .describe('Switched off, nobody signs in to it and its tokens count no more.'),
    oidc: oidcSettings.optional(),
    saml: samlSettings.optional(),
    access: z
      .strictObject({
        groups: z
          .array(z.string())
          .max(200)
          .optional()
          .describe(
            'Names of groups, of which one is enough. Left out, everyone active may enter; an empty list lets nobody in.',
          ),
      })
      .prefault({})
      .describe('Who may enter: members of any of these groups; without the list everyone active.'),
    release: z
      .strictObject({
        claims: z
          .array(z.enum(releasableClaims))
          .default(['name', 'username', 'email'])
          .describe(
            'What the app may hear of a person; name is the given, family and display name. Attributes of the community are released by their own `releasedTo`.',
          ),
        groups: z
          .union([z.enum(['none', 'all']), z.array(z.string())])
          .default('none')
          .describe('Which groups the app hears of.'),
      })
      .prefault({}),
    groupNames: z
      .record(z.string(), z.string().min(1))
      .default({})
      .describe('Group → what this app calls it; unnamed groups keep their name.'),
    roles: z
      .record(z.string(), z.array(z.string()).min(1))
      .default({})
      .describe('Group → roles it gives at the app.'),
    alias: z
      .strictObject({
        rule: z
          .enum(['username', 'lowercase', 'address'])
          .default('username')
          .describe('Name when none was given.'),
        address: z
          .enum(['own', 'mailbox'])
          .default('own')
          .describe(
            'Which address accounts there stand on: the main address, or the alias mailbox, unless a person has an own account.',
          ),
      })
      .prefault({}),
    assurance: z
      .strictObject({
        secondFactor: z
          .enum(['default', 'required'])
          .default('default')
          .describe(
            'Required: nobody enters without two factors in this sign-in; no remembered browser stands in.',
          ),
        maxAgeMinutes: z
          .number()
          .int()
          .min(1)
          .max(60 * 24 * 30)
          .optional()
          .describe('A sign-in older than this is asked for anew.'),
      })
      .optional()
      .describe('How surely a person must be known to enter.'),
    subject: z
      .enum(['pairwise', 'public', 'username'])
      .default('pairwise')
      .describe(
        'The id of people there (sub): one for this app alone (pairwise), the same at every app that says public, or what the person is called at this app (username). Once anyone has signed in, a change is refused.',
      ),
    signOut: z
      .strictObject({
        url: serverUri.optional().describe('The address at the app that ends its own session.'),
        note: z
          .string()
          .trim()
          .min(1)
          .max(300)
          .optional()
          .describe('Why signing out here does not end it, in a sentence for people.'),
      })
      .optional()
      .describe('What people read after signing out where the app cannot be signed out of from here.'),
    consent: z
      .enum(['ask', 'trusted'])
      .default('ask')
      .describe(
        'Whether people are asked before the app hears of them. A public client with a return address on loopback or of a private scheme always asks.',
      ),
    upstream: z
      .string()
      .max(40)
      .optional()
      .describe('The upstream its people come through: the sign-in page leads there at once.'),
    template: z
      .string()
      .max(40)
      .optional()
      .describe('The template it was made from: tests know by it what such an app needs.'),
    privateHttp: z
      .boolean()
      .default(false)
      .describe('Allow http on a private network, with a standing warning.'),
  })
  .superRefine((app, context) => {
    const uris = [...(app.oidc?.redirectUris ?? []), ...(app.oidc?.postLogoutRedirectUris ?? [])];
    for (const uri of uris) {
      if (!isReturnUri(uri, { privateHttp: app.privateHttp }))
        context.addIssue({ code: 'custom', path: ['oidc', 'redirectUris'], message: `${uri} is not https` });
    }
    for (const uri of samlUris(app.saml)) {
      if (!isReturnUri(uri, { privateHttp: app.privateHttp }))
        context.addIssue({ code: 'custom', path: ['saml', 'acsUrls'], message: `${uri} is not https` });
    }
    for (const [source, claim] of Object.entries({ address: 'email', username: 'username' } as const)) {
      // The name of a person there is told like any other detail: only where it is released.
      if (app.saml && nameIdSource(app.saml) === source && !app.release.claims.includes(claim))
        context.addIssue({
          code: 'custom',
          path: ['saml', 'nameId'],
          message: `needs ${claim} in release.claims`,
        });
    }
    if (app.oidc?.grants.includes('authorization_code') && app.oidc.redirectUris.length === 0)
      context.addIssue({
        code: 'custom',
        path: ['oidc', 'redirectUris'],
        message: 'needed for the grant authorization_code',
      });
    for (const { key, message } of app.oidc ? faultsOfClientKeys(app.oidc) : [])
      context.addIssue({ code: 'custom', path: ['oidc', key], message });
    if (app.oidc?.clientAuth === 'none' && app.oidc.grants.includes('client_credentials'))
      context.addIssue({
        code: 'custom',
        path: ['oidc', 'grants'],
        message: 'a public client has no credentials of its own',
      });
    if (app.oidc?.registered && app.consent === 'trusted')
      context.addIssue({
        code: 'custom',
        path: ['consent'],
        message: 'an app that registered itself is not trusted',
      });
    if (app.oidc?.clientAuth === 'none' && app.oidc.pkce === 'optional')
      context.addIssue({
        code: 'custom',
        path: ['oidc', 'pkce'],
        message: 'PKCE is always required for public clients',
      });
  });

function samlUris(saml: z.infer<typeof samlSettings> | undefined): string[] {
  return saml ? [...saml.acsUrls, saml.sloUrl, saml.sloResponseUrl].filter((uri) => uri !== undefined) : [];
}

export type ApplicationSettings = z.infer<typeof applicationSettings>;

export interface Application {
  id: string;
  settings: ApplicationSettings;
  hasSecret: boolean;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

/** Ids are chosen by operators, never look like a person's subject, and stay. */
export const applicationId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,39}$/, 'small letters, digits and dashes, 2 to 40');

export const findApplication = store.applicationById;
export const listApplications = store.listApplications;
/** The application with this SAML entity id. */
export const applicationByEntity = store.applicationByEntity;

/** The application with this id; refuses with `application-unknown`. */
export async function requireApplication(tx: Tx, id: string): Promise<Application> {
  const application = await store.applicationById(tx, id);
  if (!application) throw new Problem('application-unknown');
  return application;
}

/** Adds or changes an application to equal these settings. Returns the names of fields that changed. */
export async function saveApplication(tx: Tx, id: string, settings: ApplicationSettings): Promise<string[]> {
  applicationId.parse(id);
  const entityId = settings.saml?.entityId;
  const other = entityId === undefined ? undefined : await store.applicationByEntity(tx, entityId);
  if (other && other.id !== id)
    throw new Problem('conflict', { detail: `the entity id ${entityId} is that of ${other.id} already` });
  // Two who save at once take turns, or both would judge by what the other is about to change.
  const before = await store.lockApplication(tx, id);
  const after = applicationSettings.parse(settings);
  if (!before) {
    if (!(await store.insertApplication(tx, id, after))) throw new Problem('conflict');
    await record(tx, 'application.added', { application: id, data: {} });
    return ['added'];
  }
  if (before.settings.subject !== after.subject && (await store.hasSubjects(tx, id))) {
    throw new Problem('conflict', { detail: 'the subject kind is fixed once anyone has signed in' });
  }
  const keys = Object.keys(after) as (keyof ApplicationSettings)[];
  const known = new Set([...keys, ...(Object.keys(before.settings) as (keyof ApplicationSettings)[])]);
  const fields = [...known].filter((key) => !isDeepStrictEqual(before.settings[key], after[key]));
  if (fields.length === 0) return [];
  await store.updateApplication(tx, id, after);
  await record(tx, 'application.changed', { application: id, data: { fields } });
  return fields;
}

/** A group has another name: settings that speak of it by its name go on speaking of it, or nobody of it could enter. */
export async function renameGroupInApplications(tx: Tx, from: string, to: string): Promise<void> {
  const key = groupKey(from);
  const renamed = (name: string) => (groupKey(name) === key ? to : name);
  const keys = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [renamed(name), value]));
  for (const { id } of await store.listApplications(tx)) {
    const settings = (await store.lockApplication(tx, id))?.settings;
    if (!settings) continue;
    const { access, release } = settings;
    const next = {
      ...settings,
      access: access.groups ? { ...access, groups: access.groups.map(renamed) } : access,
      release: Array.isArray(release.groups) ? { ...release, groups: release.groups.map(renamed) } : release,
      groupNames: keys(settings.groupNames),
      roles: keys(settings.roles),
    };
    if (!isDeepStrictEqual(settings, next)) await saveApplication(tx, id, next);
  }
}

/** Removes an application with its aliases and consents. */
export async function removeApplication(tx: Tx, id: string): Promise<void> {
  await requireApplication(tx, id);
  await store.deleteApplication(tx, id);
  await record(tx, 'application.removed', { application: id, data: {} });
}

/** Client secrets are compared by hash; ours have 256 bits, given ones at least 32 characters. */
export function hashSecret(secret: string): Buffer {
  return digest('sha256', `gatehouse client secret\0${secret}`, 'buffer');
}

/** Sets the client secret: a given one, or a new one. Returns it; it is never shown again. No change if equal. */
export async function setSecret(
  tx: Tx,
  id: string,
  given?: string,
): Promise<{ secret: string; changed: boolean }> {
  if (given !== undefined && [...given].length < 32) throw new Problem('secret-weak');
  const secret = given ?? randomToken();
  if (given !== undefined && (await checkSecret(tx, id, given))) return { secret, changed: false };
  await store.writeSecret(tx, id, hashSecret(secret));
  await record(tx, 'application.changed', { application: id, data: { fields: ['secret'] } });
  return { secret, changed: true };
}

/** Whether this is the client's secret; an unset or blank one never matches. */
export async function checkSecret(tx: Tx, id: string, secret: string): Promise<boolean> {
  const hash = await store.secretHash(tx, id);
  return hash !== undefined && secret !== '' && constantTimeEqual(hash, hashSecret(secret));
}

export interface Consent {
  application: string;
  scopes: string[];
  claims: string[];
  givenAt: Date;
}

export const consentOf = store.consentOf;
export const listConsents = store.listConsents;

/** Keeps what a person agreed to share with an app. */
export async function giveConsent(
  tx: Tx,
  input: { person: string; application: string; scopes: string[]; claims: string[]; textVersion: string },
): Promise<void> {
  await store.writeConsent(tx, input);
  await record(tx, 'consent.given', {
    person: input.person,
    application: input.application,
    data: { scopes: input.scopes },
  });
}

/** Takes an agreement back; the front that gave tokens for it listens to the event. */
export async function withdrawConsent(tx: Tx, person: string, application: string): Promise<void> {
  const had = await store.endConsent(tx, person, application);
  if (had) await record(tx, 'consent.withdrawn', { person, application, data: {} });
}

/**
 * Marks that someone has a subject at this application; its kind of subject is fixed from now on. Refuses with
 * `conflict` when the kind was changed since this application was read: the subject would be of a kind it has no more.
 */
export async function fixSubjects(tx: Tx, { id, settings }: Application): Promise<void> {
  if (!(await store.fixSubjects(tx, id, settings.subject)))
    throw new Problem('conflict', { detail: 'the kind of subject was changed in this moment' });
}

/** For erasing: what the person agreed to is nobody's any more. */
export const forgetConsents = store.deleteConsents;
