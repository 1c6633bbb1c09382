/** The pages of SAML apps that ask something, or say why not. What posts itself to another site is not looked at. */
import type { Page } from 'playwright-core';
import type { Gallery } from './gallery-community.ts';
import type { View } from './gallery-views.ts';

const at = (path: string) => (page: Page, gallery: Gallery) => page.goto(gallery.origin + path);

export const samlViews: readonly View[] = [
  { name: 'saml-consent', who: 'ada', open: at('/saml/launch/rota') },
  { name: 'saml-forbidden', who: 'ada', status: 403, open: at('/saml/launch/ledger') },
  { name: 'saml-not-from-here', who: 'ada', status: 404, open: at('/saml/launch/wiki') },
  { name: 'saml-message-refused', who: 'guest', status: 400, open: at('/saml/sso?SAMLRequest=hello') },
];
