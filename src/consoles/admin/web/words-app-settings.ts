/** Every text of the form with the settings of an app. */

interface FieldWords {
  label: string;
  help?: string;
  /** What one chooses between. */
  options?: Record<string, string>;
}

const yesNo = (label: string, help?: string): FieldWords => ({ label, help });

const fields = {
  title: { label: 'Title', help: 'What people read on their tiles and when they sign in.' },
  description: { label: 'Description', help: 'A line below the title.' },
  url: { label: 'Address', help: 'Where people open the app.' },
  enabled: yesNo('People may sign in to it', 'Switched off, nobody enters and its tokens count no more.'),
  consent: {
    label: 'Before it hears of a person',
    options: { ask: 'Each person is asked, once', trusted: 'It is trusted: nobody is asked' },
  },
  'signOut.url': {
    label: 'Where its own session is ended',
    help: 'For an app that cannot be signed out of from here: people find this link after signing out.',
  },
  'signOut.note': { label: 'Why it has to be ended there', help: 'In a sentence for people.' },
  privateHttp: yesNo(
    'Plain http on a private network is allowed',
    'Anyone between can read along. A warning stands on the console as long as this is on.',
  ),

  access: { label: 'Who may enter', options: { all: 'Everyone active', groups: 'Members of these groups' } },
  'access.groups': { label: 'Groups', help: 'Names, one a line. Being in one of them is enough.' },
  'release.claims': {
    label: 'What it hears of a person',
    options: {
      name: 'Name',
      username: 'User name',
      email: 'Address',
      locale: 'Language',
      groups: 'Groups',
      roles: 'Roles',
      updated_at: 'When the profile changed',
    },
  },
  'release.groups': {
    label: 'Which groups it hears of',
    options: { none: 'None', all: 'All a person is in', list: 'These' },
  },
  'release.groups.list': { label: 'These groups', help: 'Names, one a line.' },
  groupNames: {
    label: 'What it calls groups',
    help: 'One a line, as “clinicians = Doctors”. Groups that do not stand here keep their name.',
  },
  roles: {
    label: 'Roles that groups give',
    help: 'One group a line, as “clinicians = Provider, Author”.',
  },
  'alias.rule': {
    label: 'The name of people there',
    options: {
      username: 'Their user name',
      lowercase: 'Their user name in small letters',
      address: 'Their main address',
    },
  },
  'alias.address': {
    label: 'The address of people there',
    options: { own: 'Their own', mailbox: 'Their alias mailbox' },
  },
  subject: {
    label: 'The id of people there (sub)',
    help: 'It cannot be changed any more once anyone has signed in.',
    options: {
      pairwise: 'One of its own for this app',
      public: 'One for all apps that say so',
      username: 'The user name',
    },
  },

  'assurance.secondFactor': {
    label: 'Second factor',
    options: {
      default: 'As the community has it',
      required: 'Always: nobody enters without two factors in this sign-in',
    },
  },
  'assurance.maxAgeMinutes': {
    label: 'Oldest sign-in, in minutes',
    help: 'A sign-in older than this is asked for anew. Left out, any that lasts will do.',
  },
  upstream: {
    label: 'Through whom its people come',
    help: 'The id of an upstream: the sign-in page leads there at once. Left out, people choose.',
  },

  oidc: yesNo('People sign in to it by OpenID Connect'),
  'oidc.redirectUris': {
    label: 'Return addresses (redirect_uris)',
    help: 'Where people come back to, letter by letter, one a line.',
  },
  'oidc.postLogoutRedirectUris': {
    label: 'Addresses after signing out (post_logout_redirect_uris)',
    help: 'Where the app may lead people when they sign out there, one a line.',
  },
  'oidc.backchannelLogoutUri': {
    label: 'Back-channel logout (backchannel_logout_uri)',
    help: 'Where the app is told that someone signed out.',
  },
  'oidc.initiateLoginUri': {
    label: 'Where it starts a sign-in (initiate_login_uri)',
    help: 'People who open the app from here land there, signed in.',
  },
  'oidc.clientAuth': {
    label: 'How it proves itself (token_endpoint_auth_method)',
    options: {
      client_secret_basic: 'By its secret, in the header (Basic)',
      client_secret_post: 'By its secret, in the body',
      private_key_jwt: 'By a key of its own: no secret is shared (private_key_jwt)',
      none: 'Not at all: it runs in a browser or on a device',
    },
  },
  'oidc.jwksUri': {
    label: 'Address of its public keys (jwks_uri)',
    help: 'New keys there are learnt within a minute.',
  },
  'oidc.jwks': { label: 'Or the keys themselves (jwks)', help: 'JSON, public keys only.' },
  'oidc.grants': {
    label: 'What it may ask for (grant_types)',
    options: {
      authorization_code: 'Sign people in (authorization_code)',
      refresh_token: 'Go on while they are away (refresh_token)',
      client_credentials: 'Tokens of its own (client_credentials)',
      'urn:ietf:params:oauth:grant-type:device_code':
        'Sign people in on a device without a browser (device_code)',
    },
  },
  'oidc.pkce': {
    label: 'PKCE',
    help: 'Always required for apps without a secret or key.',
    options: { optional: 'Used where the app sends it', required: 'Required' },
  },
  'oidc.dpop': {
    label: 'Tokens bound to a key (DPoP)',
    options: { optional: 'Where the app brings proof', required: 'Required: nothing without proof' },
  },
  'oidc.idTokenAlg': {
    label: 'ID tokens are signed by',
    options: { RS256: 'RS256, which every app takes', ES256: 'ES256' },
  },
  'oidc.claimsInIdToken': yesNo('Everything stands in the ID token', 'For apps that never ask userinfo.'),
  'oidc.refreshDays': { label: 'Refresh tokens last, in days' },

  saml: yesNo('People sign in to it by SAML'),
  'saml.metadata': {
    label: 'Its metadata',
    options: {
      url: 'It publishes them: fetched again and again',
      xml: 'Pasted here, or from a file',
      none: 'None: the addresses are typed below',
    },
  },
  'saml.metadata.url': { label: 'Address of its metadata' },
  'saml.metadata.refreshHours': { label: 'Fetched every so many hours', help: 'Left out, six.' },
  'saml.metadata.certificates': {
    label: 'Certificates its metadata must be signed with',
    help: 'PEM. Left out, https alone vouches for them.',
  },
  'saml.metadata.xml': { label: 'The metadata (XML)' },
  'saml.entityId': { label: 'Entity ID', help: 'What the app calls itself, letter by letter.' },
  'saml.acsUrls': {
    label: 'Where answers are posted to (ACS)',
    help: 'One a line; the first counts unless asked otherwise. Not needed with metadata.',
  },
  'saml.certificates': {
    label: 'Certificates of the app',
    help: 'PEM, one after the other: its requests are verified with each, assertions are encrypted for the first.',
  },
  'saml.nameId.format': {
    label: 'Name it gets (NameID format)',
    options: {
      persistent: 'persistent: an id that stays',
      emailAddress: 'emailAddress: an address',
      unspecified: 'unspecified: a name',
      transient: 'transient: a new id at every sign-in',
    },
  },
  'saml.nameId.source': {
    label: 'What stands in it',
    options: {
      '': 'As the format has it',
      subject: 'The id of this app',
      username: 'The user name',
      address: 'The address',
    },
  },
  'saml.nameId.force': yesNo('Send this format also where the app asks for another'),
  'saml.attributes': {
    label: 'Attributes it gets',
    options: { all: 'What is released, under its own names', list: 'These' },
  },
  'saml.attributes.list': {
    label: 'Attributes',
    help: 'One a line, as “mail = email” or “urn:oid:0.9.2342.19200300.100.1.3 = email | uri | mail” (value, name format, friendly name). Values: subject, username, name, givenName, familyName, email, locale, updatedAt, groups, roles, attribute:NAME.',
  },
  'saml.sign': {
    label: 'What is signed',
    options: { both: 'Answer and assertion', assertion: 'The assertion', response: 'The answer' },
  },
  'saml.encrypt': yesNo('Assertions are encrypted for the app', 'Needs a certificate of the app.'),
  'saml.wantSignedRequests': yesNo('Requests without its signature are refused'),
  'saml.idpInitiated.allowed': yesNo(
    'People may be sent there from here',
    'Without the app having asked: from their tiles and by /go links (IdP-initiated).',
  ),
  'saml.idpInitiated.relayState': { label: 'Sent along (RelayState)', help: 'Often a page of the app.' },
  'saml.sessionMinutes': {
    label: 'It must ask again after, in minutes (SessionNotOnOrAfter)',
    help: 'Left out, the app decides.',
  },
  'saml.sloUrl': {
    label: 'Where it takes sign-outs (SLO)',
    help: 'Left out, what its metadata says.',
  },
  'saml.sloResponseUrl': { label: 'Where it takes answers to its own sign-outs, if elsewhere' },
  'saml.sloBinding': {
    label: 'How sign-outs get there',
    options: { redirect: 'HTTP-Redirect', post: 'HTTP-POST' },
  },
} as const satisfies Record<string, FieldWords>;

export const settingWords = {
  settings: 'Settings',
  title: (app: string) => `Settings: ${app}`,
  parts: {
    general: 'The app',
    people: 'People',
    assurance: 'Sign-in',
    oidc: 'OpenID Connect',
    saml: 'SAML',
  },
  fields,
  save: 'Save the settings',
  saved: 'The settings were saved.',
  discard: 'Discard what was changed',
  unsaved: 'There are changes that are not saved. They are kept in this tab.',
  elsewhere: 'These are on another page of the settings:',
  lineRefused: (line: string) => `This line is not read: ${line}`,
  fromFile: 'Take it from a file',
  tooLarge: 'The file is larger than 300 kB.',
  registered: 'It registered itself',
  registeredText: 'Such an app always asks people, whatever stands here.',
  stale: 'Somebody changed this app meanwhile. Discard what you changed to see what it is now.',
};

export type FieldText = FieldWords;
