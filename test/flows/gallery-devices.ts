/** The pages where a device is let in, in the state they are in when someone meets them. */
import type { Page } from 'playwright-core';
import type { Gallery } from './gallery-community.ts';
import { send, type View } from './gallery-views.ts';

/** A device asks; returns the code it shows. */
async function begin(gallery: Gallery, client: string): Promise<string> {
  await gallery.database.query('delete from rate_buckets');
  const response = await fetch(`${gallery.origin}/oidc/device`, {
    method: 'POST',
    headers: { 'user-agent': 'curl/8.14' },
    body: new URLSearchParams({ client_id: client, scope: 'openid profile email offline_access' }),
  });
  return ((await response.json()) as { user_code: string }).user_code;
}

const typed = (client: string) => async (page: Page, gallery: Gallery) => {
  const code = await begin(gallery, client);
  await page.goto(`${gallery.origin}/device?user_code=${code}`);
  await send(page, '#go-on');
};

const decided = (button: string) => async (page: Page, gallery: Gallery) => {
  await typed('screen')(page, gallery);
  await send(page, button);
};

export const deviceViews: readonly View[] = [
  { name: 'device', who: 'ada', open: (page, gallery) => page.goto(`${gallery.origin}/device`) },
  {
    name: 'device-code-unknown',
    who: 'ada',
    status: 422,
    open: async (page, gallery) => {
      await gallery.database.query('delete from rate_buckets');
      await page.goto(`${gallery.origin}/device`);
      await send(page, '#go-on', { '#user_code': 'wdjb-mjht' });
    },
  },
  { name: 'device-decide', who: 'ada', open: typed('screen') },
  { name: 'device-allowed', who: 'ada', open: decided('#allow') },
  { name: 'device-denied', who: 'ada', open: decided('#deny') },
  { name: 'device-forbidden', who: 'ada', status: 403, open: typed('scanner') },
];
