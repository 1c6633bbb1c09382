/** Apps we know by name: what their makers document about signing in to them, as settings. */
import {
  addressField,
  choiceField,
  connectionField,
  groupsField,
  groupsOf,
  siteField,
  textField,
} from './template-fields.ts';
import type { AppTemplate, Values } from './templates.ts';

/** The attribute names Atlassian Cloud reads, by what stands in them. */
export const atlassianAttributes = {
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname': 'givenName',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname': 'familyName',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name': 'subject',
} as const;

const addressHelp = (example: string) => `Where people open it, such as ${example}.`;

/** What is released about groups where an operator named some. */
function released(claims: readonly string[], { groups }: Values): object {
  const named = groupsOf(groups);
  return named.length === 0 ? { claims } : { claims: [...claims, 'groups'], groups: named };
}

export const atlassianCloud: AppTemplate = {
  name: 'atlassian-cloud',
  title: 'Jira and Confluence Cloud',
  about: 'People sign in to Atlassian Cloud by SAML, known by their alias mailbox.',
  speaks: 'saml',
  usual: { id: 'jira', title: 'Jira and Confluence' },
  firstThere: true,
  fields: [
    siteField(),
    connectionField(),
    choiceField({
      name: 'address',
      title: 'Address their account stands on',
      help: 'Atlassian takes over an account only on a domain it verified. The alias mailbox always is on one.',
      choices: [
        { value: 'mailbox', title: 'Alias mailbox' },
        { value: 'own', title: 'Their own main address' },
      ],
    }),
  ],
  settings: ({ site, uniqueId, address = 'mailbox' }) => ({
    url: `https://${site}.atlassian.net`,
    saml: {
      entityId: `https://auth.atlassian.com/saml/${uniqueId}`,
      acsUrls: [`https://auth.atlassian.com/login/callback?connection=saml-${uniqueId}`],
      nameId: { format: 'emailAddress', force: true },
      attributes: atlassianAttributes,
      sign: 'both',
      idpInitiated: { allowed: true, relayState: `https://${site}.atlassian.net` },
    },
    release: { claims: ['name', 'email'] },
    alias: { address },
    signOut: {
      url: 'https://id.atlassian.com/logout',
      note: 'Atlassian Cloud has no single sign-out: it is signed out of there.',
    },
    consent: 'trusted',
  }),
  there: (_settings, { saml }) => [
    { label: 'Identity provider Entity ID', value: saml.entityId },
    { label: 'Identity provider SSO URL', value: saml.ssoUrl },
    { label: 'Public x509 certificate', value: saml.certificates[0], long: true },
  ],
  needs: [
    { value: 'givenName', why: 'Atlassian refuses a sign-in without a first name.' },
    { value: 'familyName', why: 'Atlassian refuses a sign-in without a last name.' },
    { value: 'nameId', why: 'Atlassian knows people by the address of their account.' },
  ],
  notes: [
    'Atlassian asks for our values first and shows its unique id when they are saved.',
    'Single sign-on counts there for accounts on a verified domain, in an authentication policy that enforces it.',
    'The NameID must be the address the account was made with: check it with the join check of the target.',
  ],
};

const products = [
  { value: 'jira', title: 'Jira' },
  { value: 'confluence', title: 'Confluence' },
] as const;

const signOutAt: Record<string, string> = { jira: '/secure/Logout.jspa', confluence: '/logout.action' };

const dataCenterFields = [
  addressField({
    name: 'baseUrl',
    title: 'Base URL',
    help: 'As it stands in the general settings of Jira or Confluence.',
    example: 'https://jira.example.org',
    required: true,
  }),
  choiceField({
    name: 'product',
    title: 'Product',
    help: 'It decides where people end their session there.',
    choices: products,
  }),
  groupsField(),
];

function signOutOf({ baseUrl, product = 'jira' }: Values): object {
  return {
    url: `${baseUrl}${signOutAt[product]}`,
    note: 'It keeps a session of its own, which is ended there.',
  };
}

const dataCenterNotes = [
  'People must be in a directory of Jira or Confluence, unless accounts are made at the first sign-in (just-in-time).',
  'Administrators still get in with a password at “?auth_fallback” when that is switched on.',
];

export const atlassianDataCenter: AppTemplate = {
  name: 'atlassian-data-center',
  title: 'Jira and Confluence Data Center (SAML)',
  about: 'People sign in by SAML and are known by their user name there.',
  speaks: 'saml',
  usual: { id: 'jira', title: 'Jira' },
  fields: dataCenterFields,
  settings: (values) => ({
    url: values.baseUrl,
    saml: {
      entityId: values.baseUrl,
      acsUrls: [`${values.baseUrl}/plugins/servlet/samlconsumer`],
      nameId: { format: 'unspecified', source: 'username', force: true },
      attributes: {
        displayName: 'name',
        email: 'email',
        ...(groupsOf(values.groups).length > 0 && { groups: 'groups' }),
      },
      sign: 'both',
      idpInitiated: { allowed: true },
    },
    release: released(['name', 'username', 'email'], values),
    signOut: signOutOf(values),
    consent: 'trusted',
  }),
  there: (_settings, { saml }) => [
    { label: 'Single sign-on issuer', value: saml.entityId },
    { label: 'Identity provider single sign-on URL', value: saml.ssoUrl },
    { label: 'X.509 Certificate', value: saml.certificates[0], long: true },
    { label: 'Username mapping', value: '$' + '{NameID}' },
    { label: 'Display name (just-in-time)', value: '$' + '{displayName}' },
    { label: 'Email (just-in-time)', value: '$' + '{email}' },
  ],
  needs: [
    { value: 'name', why: 'Accounts made at the first sign-in need a display name.' },
    { value: 'email', why: 'Accounts made at the first sign-in need an address.' },
  ],
  notes: dataCenterNotes,
};

export const atlassianDataCenterOidc: AppTemplate = {
  name: 'atlassian-data-center-oidc',
  title: 'Jira and Confluence Data Center (OpenID Connect)',
  about: 'The same over OpenID Connect, which needs no certificate.',
  speaks: 'oidc',
  usual: { id: 'jira', title: 'Jira' },
  fields: dataCenterFields,
  settings: (values) => ({
    url: values.baseUrl,
    oidc: {
      redirectUris: [`${values.baseUrl}/plugins/servlet/oidc/callback`],
      claimsInIdToken: true,
    },
    release: released(['name', 'username', 'email'], values),
    signOut: signOutOf(values),
    consent: 'trusted',
  }),
  there: (_settings, { oidc }) => [
    { label: 'Issuer URL', value: oidc.issuer },
    { label: 'Client ID', from: 'client-id' },
    { label: 'Client secret', from: 'client-secret' },
    { label: 'Username mapping', value: '$' + '{preferred_username}' },
    { label: 'Additional scopes', value: 'profile email' },
  ],
  needs: [
    { value: 'username', why: 'Jira and Confluence know people by their user name.' },
    { value: 'email', why: 'Accounts made at the first sign-in need an address.' },
  ],
  notes: dataCenterNotes,
};

export const discourse: AppTemplate = {
  name: 'discourse',
  title: 'Discourse',
  about: 'The forum signs people in with its OpenID Connect plugin.',
  speaks: 'oidc',
  usual: { id: 'forum', title: 'Forum' },
  fields: [
    addressField({
      name: 'baseUrl',
      title: 'Address of the forum',
      help: addressHelp('https://forum.example.org'),
      example: 'https://forum.example.org',
      required: true,
    }),
    textField({
      name: 'title',
      title: 'Title',
      help: 'What people read here. Left out, “Forum”.',
      most: 80,
    }),
    groupsField(),
  ],
  settings: (values) => ({
    ...(values.title !== undefined && { title: values.title }),
    url: values.baseUrl,
    oidc: {
      redirectUris: [`${values.baseUrl}/auth/oidc/callback`],
      postLogoutRedirectUris: [`${values.baseUrl}/`],
      grants: ['authorization_code'],
    },
    release: released(['name', 'username', 'email'], values),
    consent: 'trusted',
  }),
  there: (settings, { oidc }) => [
    { label: 'openid_connect_discovery_document', value: oidc.discoveryUrl },
    { label: 'openid_connect_client_id', from: 'client-id' },
    { label: 'openid_connect_client_secret', from: 'client-secret' },
    { label: 'openid_connect_authorize_scope', value: 'openid profile email' },
    { label: 'openid_connect_rp_initiated_logout', value: 'true' },
    ...(settings?.oidc?.postLogoutRedirectUris ?? []).map((value) => ({
      label: 'openid_connect_rp_initiated_logout_redirect',
      value,
    })),
    ...(settings?.release.claims.includes('groups')
      ? [{ label: 'openid_connect_groups_claim', value: 'groups' }]
      : []),
    { label: 'openid_connect_enabled', value: 'true' },
  ],
  needs: [
    { value: 'email', why: 'Discourse makes no account without an address.' },
    { value: 'emailVerified', why: 'Discourse asks people to confirm an address we did not confirm.' },
  ],
  notes: [
    'Set openid_connect_authorize_scope: as it comes, Discourse asks for no name and no address.',
    'Switch openid_connect_enabled on last: from then on people see the button.',
  ],
};
