/** What asks for proof again, looked at from the routes: a new form is thought of here the day it exists. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { routeList } from '#kit/http/server.ts';
import { harbour, passwords, withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

let platform: Platform;
let code: () => string;
before(async () => {
  platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  await platform.apply(`${harbour}
upstreams: [{ id: far, title: Far, oidc: { issuer: "https://far.example.org", clientId: x } }]
applications:
  - { id: mail, title: Mail, alias: { address: mailbox }, oidc: { redirectUris: [https://mail.example.org/cb], clientAuth: none } }
`);
  ({ code } = await withApp(platform, 'ada'));
});

/** Forms of the account that change nothing an account hangs on, and why each does without proof. */
const without = new Map([
  ['/account/profile', 'what people are shown as'],
  ['/account/addresses/:id/code', 'a code that proved the address, which was added with proof'],
  ['/account/addresses/:id/confirm', 'the mail for it once more'],
  ['/account/signing-in/passkeys/:id', 'the name of a passkey'],
  ['/account/mail/pause', 'mail of apps is no way in; letters about the account do not come by there'],
  ['/account/mail/apps/:app', 'the same'],
  ['/account/mail/ask', 'an operator decides'],
  ['/account/sessions/:id/end', 'whoever is frightened signs out'],
  ['/account/sessions/end-others', 'the same'],
  ['/account/sessions/end-all', 'the same'],
]);

const someId = '00000000-0000-7000-8000-000000000000';
const pathOf = (url: string) =>
  url.replace(/:(\w+)/g, (_, name) =>
    name === 'upstream' ? 'far' : url.includes('address-for') ? 'mail' : someId,
  );

/** Signed in with the password alone, in a browser that need not give the second step. */
async function remembered(): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await visitor.submit({ code: code(), remember: 'on' }, '/sign-in/second');
  await visitor.submit({}, '/sign-out');
  platform.clock.advance(60_000);
  assert.match((await visitor.signIn('ada', passwords.ada)).url, /\/account$/);
  return visitor;
}

test('AU-15 every form an account hangs on asks for proof: addresses, password, factors, links, names at apps', async () => {
  const visitor = await remembered();
  await visitor.open('/account');
  const token = visitor.formOf('/sign-out').fields.form_token!;
  const forms = routeList(platform.app!).filter(
    ({ door, url, method }) => door === 'form' && method === 'POST' && url.startsWith('/account/'),
  );
  const asks: string[] = [];
  for (const { url } of forms) {
    if (without.has(url)) continue;
    const fields = {
      form_token: token,
      email: 'new@example.org',
      account: 'mailbox',
      current: passwords.ada,
      password: 'four candles drifting',
    };
    const seen = await visitor.request(pathOf(url), {
      method: 'POST',
      headers: { origin: platform.origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
    assert.equal(seen.status, 403, `${url} did not ask`);
    assert.match(seen.text, /Is it you\?/, url);
    asks.push(url);
  }
  for (const one of [
    '/account/addresses',
    '/account/addresses/:id/primary',
    '/account/addresses/:id/remove',
    '/account/password',
    '/account/signing-in/app',
    '/account/signing-in/passkey',
    '/account/signing-in/codes',
    '/account/links/:upstream',
    '/account/links/:link/remove',
    '/account/address-for/:id',
  ])
    assert.ok(asks.includes(one), `${one} is not among ${asks.join(' ')}`);
  const known = new Set(forms.map(({ url }) => url));
  for (const url of without.keys()) assert.ok(known.has(url), `${url} is no form any more`);
});

test('AU-15 a session that a mailed link opened is no proof either, and no door of it gives a second one', async () => {
  const visitor = platform.visitor();
  await visitor.open('/recover');
  await visitor.submit({ username: 'ada' }, '/recover');
  const mail = (await platform.mailTo('ada@example.org', /^Set a new password/)).at(-1)!;
  await visitor.open(/http\S+\/recover\/new\?token=\S+/.exec(mail.text)![0]);
  const next = 'seven lanterns float';
  await visitor.submit({ password: next }, '/recover/new');
  assert.match((await visitor.open('/account')).url, /\/sign-in/, 'the link signs nobody in');
  assert.match((await visitor.signIn('ada', next)).url, /\/sign-in\/second$/);
  assert.match((await visitor.open('/account/signing-in/app')).url, /\/sign-in\?/);
  assert.match(
    (await visitor.open('/sign-in/enrol')).url,
    /\/sign-in\/second/,
    'nor is a second one added on the way in',
  );
});

test('AU-16 no operator sets or reads a password, secret or code of anybody, by any route', async () => {
  const seen = await fetch(`${platform.origin}/api/v1/openapi.json`);
  assert.equal(seen.status, 200);
  const document = (await seen.json()) as { paths: Record<string, Record<string, unknown>> };
  const paths = Object.entries(document.paths).filter(([path]) => /\/people|\/factors|\/sessions/.test(path));
  assert.ok(paths.length > 8);
  const names = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, child] of Object.entries(value)) {
      if (name === 'properties' && typeof child === 'object')
        for (const one of Object.keys(child!)) names.add(one);
      walk(child);
    }
  };
  for (const [, operations] of paths) walk(operations);
  assert.ok(names.has('username') && names.has('recoveryCodes'));
  assert.deepEqual(
    [...names].filter((name) => /password|secret|hash|credential|totp.*key|^code$|^codes$/i.test(name)),
    [],
  );
});
