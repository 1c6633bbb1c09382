/** Whether people are asked before an app learns anything: the same for every door, and for whoever explains it. */
import { isLoopback } from './addresses.ts';
import type { Application } from './applications.ts';

/**
 * Anyone on the same device can pose as such an app: it holds no secret, and its return address belongs to nobody in
 * particular. It is never let in without asking (RFC 9700 §4.11, RFC 8252 §8.6).
 */
export function isUnassured({ settings: { oidc } }: Application): boolean {
  return (
    oidc?.clientAuth === 'none' &&
    oidc.redirectUris.some((uri) => !/^https:/i.test(uri) || isLoopback(new URL(uri).hostname))
  );
}

/** Whether the person is asked before this app learns anything. */
export function asksConsent(application: Application): boolean {
  return application.settings.consent === 'ask' || isUnassured(application);
}
