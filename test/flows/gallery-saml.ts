/**
 * The pages of SAML apps and providers that ask something, or say why not. What posts itself to another site is not looked
 * at.
 */
import { deflateRawSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { system } from '#kit/db/database.ts';
import { findUpstream, saveUpstream } from '#signon/upstream/upstreams.ts';
import { samlKey } from '../saml.ts';
import type { Gallery } from './gallery-community.ts';
import type { View } from './gallery-views.ts';

const at = (path: string) => (page: Page, gallery: Gallery) => page.goto(gallery.origin + path);

/** A provider that no page but these knows of. */
async function prepare({ database, secrets }: Gallery): Promise<void> {
  const { certificate } = await samlKey({ name: 'clinic' });
  const saml = { entityId: 'https://sso.clinic.example', ssoUrl: 'https://sso.clinic.example/sso' };
  await database.transact(system('admin'), async (tx) => {
    if (await findUpstream(tx, 'clinic')) return;
    const settings = {
      title: 'Riverside Clinic',
      button: false,
      saml: { ...saml, certificates: [certificate] },
    };
    await saveUpstream(tx, secrets, 'clinic', settings);
  });
}

/** A message of the provider that cannot be believed. */
const signedOutBy = (name: 'SAMLRequest' | 'SAMLResponse') => async (page: Page, gallery: Gallery) => {
  await prepare(gallery);
  const query = new URLSearchParams({ [name]: deflateRawSync(Buffer.from('<x/>')).toString('base64') });
  await page.goto(`${gallery.origin}/upstream/clinic/slo?${query}`);
};

export const samlViews: readonly View[] = [
  { name: 'saml-consent', who: 'ada', open: at('/saml/launch/rota') },
  { name: 'saml-forbidden', who: 'ada', status: 403, open: at('/saml/launch/ledger') },
  { name: 'saml-not-from-here', who: 'ada', status: 404, open: at('/saml/launch/wiki') },
  { name: 'saml-message-refused', who: 'guest', status: 400, open: at('/saml/sso?SAMLRequest=hello') },
  { name: 'saml-provider-did-not', who: 'guest', status: 403, open: signedOutBy('SAMLResponse') },
  { name: 'saml-provider-not-believed', who: 'ada', status: 403, open: signedOutBy('SAMLRequest') },
];
