/**
 * Providers known by name: what is set of each as its makers document it, what only the operator knows, and what to paste
 * on the other side. The console asks by these; `settings.ts` stays the one place that says what can be set.
 */
import { credentialNames, kindOf, type UpstreamKind, type UpstreamSettings } from './settings.ts';

/** One of our own addresses that the other side may ask for. */
export type OurPlace = 'callback' | 'metadata' | 'slo' | 'backchannel' | 'signed-out' | 'home';

export interface UpstreamPreset {
  name: string;
  title: string;
  about: string;
  kind: UpstreamKind;
  usual: {
    /** Id here, where nothing else is chosen. */
    id: string;
    /** What is known of its settings; the rest is asked, or takes its default. */
    settings: Record<string, unknown>;
  };
  /** What has to be looked at first of the section of its kind, by path; everything else is folded away. */
  first: readonly string[];
  /** Where on the other side one finds the place to paste, in its own words. */
  where: string;
  /** What to paste there, under its own names. */
  there: readonly { label: string; of: OurPlace }[];
  notes: readonly string[];
}

const oidcThere = (label: string): UpstreamPreset['there'] => [{ label, of: 'callback' }];
const unverified =
  'Whether an address it calls verified counts as confirmed here is your choice below: say yes only where people there cannot write their own.';
const samlThere: UpstreamPreset['there'] = [
  { label: 'Metadata URL (or import this address)', of: 'metadata' },
  { label: 'Entity ID, Audience', of: 'metadata' },
  { label: 'Assertion Consumer Service, Reply URL', of: 'callback' },
  { label: 'Single Logout Service', of: 'slo' },
];

/** In the order they are offered. */
export const upstreamPresets: readonly UpstreamPreset[] = [
  {
    name: 'google',
    title: 'Google',
    about: 'Google accounts, or those of your Workspace domains alone.',
    kind: 'oidc',
    usual: { id: 'google', settings: { oidc: { preset: 'google' } } },
    first: ['clientId', 'hostedDomains'],
    where:
      'Google Cloud console, APIs & Services, Credentials: create an OAuth client ID for a web application.',
    there: oidcThere('Authorised redirect URI'),
    notes: ['Without domains everyone with a Google account may come.'],
  },
  {
    name: 'entra',
    title: 'Microsoft Entra ID',
    about: 'People of a Microsoft tenant, by OpenID Connect.',
    kind: 'oidc',
    usual: {
      id: 'entra',
      settings: {
        oidc: { preset: 'entra', issuer: 'https://login.microsoftonline.com/TENANT-ID/v2.0' },
      },
    },
    first: ['issuer', 'clientId', 'tenants'],
    where: 'Entra admin center, App registrations: a new registration with a web redirect URI.',
    there: oidcThere('Redirect URI (Web)'),
    notes: [
      'Put the id of your tenant where TENANT-ID stands. For several, write organizations there and list their ids.',
      'Add the optional claims email and xms_edov under Token configuration: without the second no address counts as verified.',
      'Groups come as object ids.',
    ],
  },
  {
    name: 'okta',
    title: 'Okta',
    about: 'People of an Okta organisation, by OpenID Connect.',
    kind: 'oidc',
    usual: {
      id: 'okta',
      settings: {
        oidc: {
          preset: 'okta',
          issuer: 'https://ORG.okta.com',
          scopes: ['openid', 'profile', 'email', 'groups'],
        },
      },
    },
    first: ['issuer', 'clientId', 'logout'],
    where: 'Admin console, Applications, Create App Integration: OIDC, Web Application.',
    there: [
      { label: 'Sign-in redirect URI', of: 'callback' },
      { label: 'Sign-out redirect URI', of: 'signed-out' },
    ],
    notes: ['The scope groups needs a groups claim in the Sign On settings of the app there.', unverified],
  },
  {
    name: 'keycloak',
    title: 'Keycloak',
    about: 'People of a realm, by OpenID Connect.',
    kind: 'oidc',
    usual: {
      id: 'keycloak',
      settings: { oidc: { preset: 'keycloak', issuer: 'https://sso.example.org/realms/main' } },
    },
    first: ['issuer', 'clientId', 'logout'],
    where: 'Clients, Create client: OpenID Connect, client authentication on, standard flow.',
    there: [
      { label: 'Valid redirect URI', of: 'callback' },
      { label: 'Valid post logout redirect URI', of: 'signed-out' },
      { label: 'Backchannel logout URL', of: 'backchannel' },
    ],
    notes: ['Old servers have /auth/realms/… in their issuer.', unverified],
  },
  {
    name: 'oidc',
    title: 'OpenID Connect',
    about: 'Any other provider that publishes /.well-known/openid-configuration.',
    kind: 'oidc',
    usual: { id: 'provider', settings: { oidc: {} } },
    first: ['issuer', 'clientId', 'logout'],
    where: 'Where the provider registers a confidential web client for the authorization code flow.',
    there: [
      { label: 'Redirect URI', of: 'callback' },
      { label: 'Post logout redirect URI', of: 'signed-out' },
      { label: 'Back-channel logout URI', of: 'backchannel' },
    ],
    notes: [unverified],
  },
  {
    name: 'github',
    title: 'GitHub',
    about: 'GitHub accounts, or members of your organisations alone.',
    kind: 'github',
    usual: { id: 'github', settings: { github: {} } },
    first: ['clientId', 'organisations'],
    where: 'Settings, Developer settings, OAuth Apps: a new OAuth app.',
    there: [
      { label: 'Homepage URL', of: 'home' },
      { label: 'Authorization callback URL', of: 'callback' },
    ],
    notes: [
      'GitHub does not say how people signed in: it counts as one factor. It cannot ask somebody again who they are, so a code by mail is asked instead where that is needed.',
    ],
  },
  {
    name: 'saml',
    title: 'SAML identity provider',
    about: 'SimpleSAMLphp, miniOrange, Okta, Keycloak or any other SAML 2.0 provider.',
    kind: 'saml',
    usual: { id: 'idp', settings: { saml: {} } },
    first: ['metadata.url', 'metadata.xml', 'nameIdFormat', 'logout'],
    where: 'Where the provider adds a service provider (an SP, a relying party, an application).',
    there: samlThere,
    notes: [
      'Give the address of its metadata, or paste the metadata itself. Only where there is none, give entity id, address and certificates.',
      'The name it gives people must stay the same for good: a persistent NameID, or an attribute that does.',
    ],
  },
  {
    name: 'saml-entra',
    title: 'Microsoft Entra ID by SAML',
    about: 'People of a Microsoft tenant, where SAML is wanted.',
    kind: 'saml',
    usual: { id: 'entra-saml', settings: { saml: { preset: 'entra' } } },
    first: ['metadata.url', 'metadata.xml', 'logout'],
    where:
      'Entra admin center, Enterprise applications, New application, Create your own: then Single sign-on, SAML.',
    there: [
      { label: 'Identifier (Entity ID)', of: 'metadata' },
      { label: 'Reply URL (Assertion Consumer Service URL)', of: 'callback' },
      { label: 'Logout Url', of: 'slo' },
    ],
    notes: ['Take the App Federation Metadata Url from there. The object id of the person is the key.'],
  },
  {
    name: 'ldap',
    title: 'Directory (LDAP)',
    about: 'An existing directory checks the passwords people type on our own page.',
    kind: 'ldap',
    usual: { id: 'directory', settings: { ldap: {} } },
    first: ['url', 'startTls', 'bindDn', 'baseDn', 'filter', 'subject', 'takeOver'],
    where: 'Nothing is pasted there. It needs an account that may search for people.',
    there: [],
    notes: [
      'Active Directory: the attribute that stays is objectGUID, and the filter asks for sAMAccountName.',
      unverified,
    ],
  },
];

/** The preset whose habits an upstream is set up by. */
export function presetOf(settings: UpstreamSettings): UpstreamPreset {
  const kind = kindOf(settings);
  const named = settings.oidc?.preset ?? settings.saml?.preset;
  const fits = upstreamPresets.filter((one) => one.kind === kind);
  const own = fits.find((one) => {
    const section = one.usual.settings[kind] as { preset?: string } | undefined;
    return section?.preset === named;
  });
  return own ?? fits.find(({ name }) => name === kind)!;
}

/** What the credentials of a kind are for, in words. */
const credentialTexts: Record<string, string> = {
  clientSecret: 'The client secret the other side made.',
  bindPassword: 'The password of the account that looks people up.',
};

export function credentialsAsked(kind: UpstreamKind) {
  return credentialNames[kind].map((one) => ({ ...one, text: credentialTexts[one.name] ?? '' }));
}

/** Our addresses as this upstream's other side needs them. */
export function ourAddresses(publicUrl: URL, id: string): Record<OurPlace, string> {
  const at = (path: string) => new URL(path, publicUrl).href;
  return {
    callback: at(`/upstream/${id}/callback`),
    metadata: at(`/upstream/${id}/metadata`),
    slo: at(`/upstream/${id}/slo`),
    backchannel: at(`/upstream/${id}/backchannel`),
    'signed-out': at('/signed-out'),
    home: at('/'),
  };
}
