/** What is known of an app that speaks OpenID Connect: where people come back to, how it proves itself, what it may ask for. */
import { z } from 'zod';
import { isReturnUri, serverUri } from './addresses.ts';
import { clientKeySettings } from './client-keys.ts';

const returnUri = z
  .string()
  .max(500)
  .refine(isReturnUri, 'must be https (or http on loopback), without fragment');

/** The grant of RFC 8628: the app runs on a device without a browser. */
export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

/** The section `oidc` of an application. */
export const oidcSettings = z.strictObject({
  redirectUris: z
    .array(returnUri)
    .max(50)
    .default([])
    .describe('Where people come back to; needed for the grant authorization_code.'),
  postLogoutRedirectUris: z
    .array(returnUri)
    .max(50)
    .default([])
    .describe(
      'Where the app may lead people when they sign out there, letter by letter; any other address is refused.',
    ),
  initiateLoginUri: returnUri.optional().describe('Where the app starts a sign-in when asked by us.'),
  backchannelLogoutUri: serverUri
    .optional()
    .describe(
      'Where the app is told that a session ended (OpenID Connect Back-Channel Logout); left out, it is not told.',
    ),
  ...clientKeySettings,
  pkce: z
    .enum(['required', 'optional'])
    .optional()
    .describe('Always required for public clients (clientAuth none).'),
  idTokenAlg: z
    .enum(['RS256', 'ES256'])
    .default('RS256')
    .describe('What ID tokens and sign-out notices are signed with; RS256 is what every app takes.'),
  grants: z
    .array(z.enum(['authorization_code', 'refresh_token', 'client_credentials', deviceGrant]))
    .default(['authorization_code', 'refresh_token'])
    .describe('What the app may ask for tokens with; client_credentials is refused for public clients.'),
  dpop: z
    .enum(['optional', 'required'])
    .default('optional')
    .describe('Required: tokens count only with proof of the key they were given to (RFC 9449).'),
  registered: z
    .strictObject({
      token: z.uuid().describe('The id of the registration token it came with.'),
      at: z.iso.datetime().describe('When it registered, in UTC, such as 2026-01-31T12:00:00Z.'),
    })
    .optional()
    .describe('The app registered itself, with which token and when. Such an app always asks people.'),
  refreshDays: z
    .number()
    .int()
    .min(1)
    .max(400)
    .default(30)
    .describe('Days after which refresh tokens end, counted from the first one: renewing them moves no end.'),
  claimsInIdToken: z.boolean().default(false).describe('For apps that never ask userinfo.'),
});
