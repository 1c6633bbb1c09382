/** Apps we do not know by name: the two protocols with as few questions as they allow. */
import { readSpMetadata } from '#wire/saml/metadata.ts';
import { usesSecret } from './client-keys.ts';
import {
  addressesField,
  addressField,
  choiceField,
  keysField,
  listOf,
  metadataField,
  textField,
} from './template-fields.ts';
import type { AppTemplate, Values } from './templates.ts';

const title = textField({
  name: 'title',
  title: 'Title',
  help: 'What people read on their tiles and when they sign in.',
  required: true,
  most: 80,
});

const url = addressField({
  name: 'url',
  title: 'Address',
  help: 'Where people open it.',
  example: 'https://app.example.org',
});

const nameIds: Record<string, object> = {
  persistent: { format: 'persistent' },
  emailAddress: { format: 'emailAddress' },
  username: { format: 'unspecified', source: 'username' },
  transient: { format: 'transient' },
};

function metadataOf({ metadataUrl, metadata }: Values): object {
  if (metadataUrl !== undefined) return { metadata: { url: metadataUrl } };
  return metadata === undefined ? {} : { metadata: { xml: metadata } };
}

export const anySaml: AppTemplate = {
  name: 'saml',
  title: 'Any app that speaks SAML 2.0',
  about: 'From its metadata, or from the two addresses it shows.',
  speaks: 'saml',
  usual: { id: 'app', title: 'App' },
  fields: [
    title,
    url,
    metadataField({
      name: 'metadata',
      title: 'Metadata',
      help: 'The XML the app shows as its service provider metadata, pasted or from a file, where it has one.',
      file: '.xml,application/xml,application/samlmetadata+xml',
    }),
    addressField({
      name: 'metadataUrl',
      title: 'Metadata address',
      help: 'Instead of the text: it is fetched now and again and again, so that new certificates are learnt by themselves.',
      example: 'https://app.example.org/saml/metadata',
    }),
    textField({
      name: 'entityId',
      title: 'Entity ID',
      help: 'What the app calls itself, also “audience” or “identifier”. Not needed with metadata: it says so itself.',
      most: 1024,
    }),
    addressField({
      name: 'acsUrl',
      title: 'Assertion consumer service',
      help: 'Where answers are posted to, also “ACS”, “reply URL” or “callback”. Not needed with metadata.',
      example: 'https://app.example.org/saml/acs',
    }),
    choiceField({
      name: 'nameId',
      title: 'Known by (NameID)',
      help: 'What the app keeps to recognise a person.',
      choices: [
        { value: 'persistent', title: 'An id that stays, of this app alone' },
        { value: 'emailAddress', title: 'Address' },
        { value: 'username', title: 'User name' },
        { value: 'transient', title: 'Nothing: a new id at every sign-in' },
      ],
    }),
  ],
  settings: (values) => ({
    title: values.title,
    ...(values.url !== undefined && { url: values.url }),
    saml: {
      entityId:
        values.entityId ?? (values.metadata === undefined ? '' : readSpMetadata(values.metadata).entityId),
      ...(values.acsUrl !== undefined && { acsUrls: [values.acsUrl] }),
      ...metadataOf(values),
      nameId: nameIds[values.nameId ?? 'persistent'],
      sign: 'both',
    },
    consent: 'ask',
  }),
  wrong({ metadata, metadataUrl, entityId, acsUrl }) {
    if (metadata !== undefined && metadataUrl !== undefined)
      return { field: 'metadataUrl', text: 'give the metadata or its address, not both' };
    if (metadata === undefined && entityId === undefined)
      return {
        field: 'entityId',
        text:
          metadataUrl === undefined
            ? 'is needed where there is no metadata'
            : 'is needed where the metadata is not fetched now',
      };
    if (metadata === undefined && metadataUrl === undefined && acsUrl === undefined)
      return { field: 'acsUrl', text: 'is needed where there is no metadata' };
    return undefined;
  },
  there: (_settings, { saml }) => [
    { label: 'Metadata', value: saml.metadataUrl },
    { label: 'Entity ID (issuer)', value: saml.entityId },
    { label: 'Single sign-on', value: saml.ssoUrl },
    { label: 'Single logout', value: saml.sloUrl },
    { label: 'Certificate', value: saml.certificates[0], long: true },
  ],
  needs: [],
  notes: ['An app that takes our metadata address follows new certificates by itself: prefer that.'],
};

export const anyOidc: AppTemplate = {
  name: 'oidc',
  title: 'Any app that speaks OpenID Connect',
  about: 'An app that asks for an issuer or a discovery address, a client id and a secret.',
  speaks: 'oidc',
  usual: { id: 'app', title: 'App' },
  fields: [
    title,
    url,
    addressesField({
      name: 'redirectUris',
      title: 'Redirect addresses',
      help: 'Where people come back to, letter by letter, one a line. Also “callback” or “reply URL”.',
      example: 'https://app.example.org/oauth2/callback',
      required: true,
    }),
    addressesField({
      name: 'postLogoutRedirectUris',
      title: 'Addresses after signing out',
      help: 'Where the app may lead people when they sign out there.',
    }),
    addressField({
      name: 'backchannelLogoutUri',
      title: 'Back-channel logout',
      help: 'Where the app is told that someone signed out, if it takes that.',
    }),
    choiceField({
      name: 'kind',
      title: 'Kind of app',
      help: 'An app that runs in the browser or on a device can keep no secret.',
      choices: [
        { value: 'server', title: 'On a server, with a secret' },
        { value: 'key', title: 'On a server, with a key of its own (private_key_jwt)' },
        { value: 'public', title: 'In the browser or on a device, without' },
      ],
    }),
    addressField({
      name: 'jwksUri',
      title: 'Address of its keys',
      help: 'For an app with a key of its own: where it publishes its public keys (JWKS).',
      example: 'https://app.example.org/jwks.json',
    }),
    keysField({
      name: 'jwks',
      title: 'Its keys',
      help: 'Instead of the address: the public keys themselves, as JSON.',
      file: '.json,application/json,application/jwk-set+json',
    }),
  ],
  settings: (values) => ({
    title: values.title,
    ...(values.url !== undefined && { url: values.url }),
    oidc: {
      redirectUris: listOf(values.redirectUris),
      postLogoutRedirectUris: listOf(values.postLogoutRedirectUris),
      ...(values.backchannelLogoutUri !== undefined && { backchannelLogoutUri: values.backchannelLogoutUri }),
      ...(values.kind === 'public' && { clientAuth: 'none' }),
      ...(values.kind === 'key' && { clientAuth: 'private_key_jwt' }),
      ...(values.jwksUri !== undefined && { jwksUri: values.jwksUri }),
      ...(values.jwks !== undefined && { jwks: JSON.parse(values.jwks) as object }),
    },
    consent: 'ask',
  }),
  wrong({ kind = 'server', jwks, jwksUri }) {
    const given = [jwks, jwksUri].filter((one) => one !== undefined).length;
    if (kind === 'key' && given === 0)
      return { field: 'jwksUri', text: 'is needed for an app with a key of its own, or the keys themselves' };
    if (kind !== 'key' && given > 0)
      return { field: 'kind', text: 'must be “with a key of its own” where keys are given' };
    return given === 2 ? { field: 'jwks', text: 'give the keys or their address, not both' } : undefined;
  },
  there: (settings, { oidc }) => [
    { label: 'Issuer', value: oidc.issuer },
    { label: 'Discovery address', value: oidc.discoveryUrl },
    { label: 'Client ID', from: 'client-id' },
    ...(settings?.oidc === undefined || usesSecret(settings.oidc)
      ? [{ label: 'Client secret', from: 'client-secret' } as const]
      : []),
    ...(settings?.oidc?.clientAuth === 'private_key_jwt'
      ? [
          { label: 'Client authentication', value: 'private_key_jwt' },
          { label: 'Audience of its assertions', value: oidc.issuer },
        ]
      : []),
    { label: 'Scopes', value: 'openid profile email' },
  ],
  needs: [],
  notes: [],
};
