/** Every field of every page takes any text there is: it is kept, shown again or refused, never a fault of ours. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, post, signedIn, stranger } from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;
let ada: Visitor;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  await addPeople(platform, [{ username: 'ada', password: right, address: 'ada@example.org' }]);
  ada = await signedIn(platform, { username: 'ada', password: right });
});

test('FE-12 no input of any field is a fault of ours: NUL, lone surrogates, very long, empty, every page', async () => {
  const values = [
    'a\0b',
    '\ud800',
    '\udfff\ud800',
    'x'.repeat(200_000),
    '',
    ' ',
    '\u202e',
    '%00',
    "'; drop table people; --",
    '{"a":1}',
    '\\',
    '🙂'.repeat(300),
  ];
  const pages: [string, string, string[]][] = [
    ['/sign-in', '/sign-in', ['username', 'password', 'request', 'remember', 'shared', 'stay']],
    ['/recover', '/recover', ['username']],
    [
      '/sign-up',
      '/sign-up',
      ['username', 'email', 'given_name', 'family_name', 'password', 'request', 'puzzle', 'began', 'website'],
    ],
  ];
  for (const value of values) {
    for (const [page, action, names] of pages) {
      for (const name of [...names, 'all']) {
        const visitor = stranger(platform);
        await visitor.open(page);
        const typed = Object.fromEntries((name === 'all' ? names : [name]).map((one) => [one, value]));
        const { fields } = visitor.formOf(action);
        if ('puzzle' in fields) fields.puzzle = await visitor.puzzle();
        const seen = await post(visitor, action, { ...fields, ...typed });
        assert.ok(
          seen.status < 500,
          `${action} ${name}=${JSON.stringify(value.slice(0, 20))}: ${seen.status}`,
        );
      }
    }
    const mine: [string, string[]][] = [
      ['/account/profile', ['given_name', 'family_name', 'display_name', 'locale']],
      ['/account/addresses', ['email']],
      ['/account/password', ['current', 'password']],
      ['/apps/x/withdraw', ['x']],
      ['/switch-account-not', ['request']],
    ];
    for (const [action, names] of mine) {
      const { fields } = ada.formOf();
      const seen = await post(ada, action, {
        ...fields,
        ...Object.fromEntries(names.map((one) => [one, value])),
      });
      assert.ok(seen.status < 500, `${action} ${JSON.stringify(value.slice(0, 20))}: ${seen.status}`);
    }
    const short = encodeURIComponent(value.toWellFormed().slice(0, 300));
    for (const path of [
      `/account?said=${short}`,
      `/sign-in?request=${short}&said=${short}`,
      `/sign-in?request=a&request=${short}`,
      `/verify?token=${short}`,
      `/recover/new?token=${short}`,
      `/go/${short}`,
      `/account/addresses/${short}/code`,
      `/admin/setup?token=${short}`,
      `/admin/people?search=${short}&after=${short}`,
      `/admin/events?before=${short}`,
      `/sign-up?request=${short}`,
    ]) {
      for (const visitor of [ada, stranger(platform)]) {
        const seen = await visitor.request(path);
        assert.ok(seen.status < 500, `${path.slice(0, 60)}: ${seen.status}`);
      }
    }
  }
});
