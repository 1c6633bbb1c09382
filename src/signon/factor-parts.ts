/** Parts of the pages about proofs beside the password. */
import { encode } from 'uqr';
import { base32, otpauthUri, type TotpSetUp } from '#core/credentials/totp.ts';
import { codeField, field, hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form } from '#kit/page/parts.ts';
import { factorWords } from './factor-words.ts';
import type { Visit } from './visit.ts';

/** A QR code as a picture in the page: dark on light in both themes, as cameras want it. */
export function qrCode(text: string, label: string): Html {
  const { data, size } = encode(text, { ecc: 'M', border: 4 });
  const runs: string[] = [];
  for (const [y, row] of data.entries()) {
    for (let x = 0; x < size; x += 1) {
      if (!row[x]) continue;
      const from = x;
      while (row[x + 1]) x += 1;
      runs.push(`M${from} ${y}h${x - from + 1}v1h-${x - from + 1}z`);
    }
  }
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label="${label}" shape-rendering="crispEdges"><rect width="${size}" height="${size}" fill="#fff"></rect><path d="${runs.join('')}" fill="#000"></path></svg>`;
}

/**
 * A form whose button asks the browser for a passkey; it shows where a script can.
 * @param options.kind 'sign-in' also offers passkeys in the name field as one types
 * @param options.ask what the challenge is for, at `/sign-in/passkey/options`
 */
export function passkeyForm(
  here: Visit,
  options: {
    kind: 'sign-in' | 'get' | 'create';
    ask: string;
    url: string;
    label: string;
    fields?: Record<string, string | undefined>;
    /** Names of fields in the other form of the page whose values it sends too. */
    copy?: readonly string[];
    style?: 'primary' | 'quiet';
    body?: Html;
  },
): Html {
  const say = factorWords(here.locale);
  const { copy = [] } = options;
  const copied = Object.fromEntries(copy.map((name) => [name, '']));
  const fields = Object.entries({ answer: '', ...copied, ...options.fields });
  return html`<form class="fields passkey" method="post" action="${options.url}" data-passkey="${options.kind}" data-options="/sign-in/passkey/options?for=${options.ask}" data-failed="passkey-failed" data-also="${copy.join(' ')}" hidden>
    ${here.formToken}${fields.map(([name, value]) => (value === undefined ? '' : hiddenField(name, value)))}${options.body}
    ${button({ label: options.label, id: 'passkey', style: options.style ?? 'quiet', full: true })}
    <p class="error" id="passkey-failed" role="alert" hidden>${say('passkeyFailed')}</p></form>`;
}

/** The key for typing in, in groups of four. */
function grouped(key: string): string {
  return (key.match(/.{1,4}/g) ?? []).join(' ');
}

/** What the form of an app to set up carries along: its secret, sealed for the person and the browser. */
export const setUpField = 'set_up';

/** Picture, key and the field that proves the app has it. */
export function appSetUp(
  here: Visit,
  options: {
    url: string;
    account: string;
    setUp: TotpSetUp;
    error?: string;
    fields?: Html;
    cancel?: Html;
  },
): Html {
  const say = factorWords(here.locale);
  const { secret, sealed } = options.setUp;
  return form({
    url: options.url,
    token: here.formToken,
    id: 'app-set-up',
    body: html`${options.fields}${hiddenField(setUpField, sealed)}
      <p>${say('scan')}</p>
      ${qrCode(otpauthUri(here.community.name, options.account, secret), say('qrLabel'))}
      <p class="small">${say('cannotScan')} <code id="totp-key" class="key">${grouped(base32(secret))}</code></p>
      ${codeField({ label: say('confirmCode'), locale: here.locale, error: options.error })}
      ${button({ label: say('addApp'), id: 'add-app', full: true })}
      ${options.cancel}`,
  });
}

/** Codes to put away. */
export function codeList(codes: readonly string[]): Html {
  return html`<ul class="codes" id="recovery-codes" dir="ltr">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>`;
}

/** The field of a typed proof: of the app, or a recovery code, which has letters. */
export function proofField(here: Visit, options: { by: 'app' | 'recovery'; error?: string }): Html {
  const say = factorWords(here.locale);
  const { locale } = here;
  const { error } = options;
  return options.by === 'app'
    ? codeField({ label: say('code'), help: say('codeHelp'), locale, autofocus: true, error })
    : field({
        name: 'code',
        label: say('recoveryCode'),
        help: say('recoveryCodeHelp'),
        locale,
        literal: true,
        autofocus: true,
        autocomplete: 'off',
        maxlength: 60,
        error,
      });
}
