import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import type { Provider } from 'oidc-provider';
import type { App } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import { mountProvider } from './exchange.ts';

test('what is answered on the short way is not asked of the library as well', async (t) => {
  let asked = 0;
  const library = {
    callback: () => async () => {
      asked += 1;
    },
  } as unknown as Provider;
  const app = fastify();
  t.after(() => app.close());
  mountProvider(app as unknown as App, {} as Log, () => library, [
    { method: 'POST', url: '/token', shortcut: async () => ({ access_token: 'given' }) },
  ]);
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  const body = new URLSearchParams({ grant_type: 'client_credentials' });
  const answer = await fetch(`${origin}/token`, {
    method: 'POST',
    body: body.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.deepEqual(await answer.json(), { access_token: 'given' });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 0);
});
