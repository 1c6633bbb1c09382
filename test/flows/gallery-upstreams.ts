/** The console's pages about identity providers. Those looked at are switched off, so no other page knows of them. */
import type { Page } from 'playwright-core';
import { system } from '#kit/db/database.ts';
import { findUpstream, saveUpstream } from '#signon/upstream/upstreams.ts';
import type { Gallery } from './gallery-community.ts';
import { settled, type View } from './gallery-views.ts';

const hub = {
  title: 'GitHub',
  enabled: false,
  newPeople: 'create',
  domains: ['northlight.example'],
  github: { clientId: 'Ov23liNorthlight', organisations: ['northlight-health'] },
  groups: [{ from: 'northlight-health', to: 'clinicians', owned: true }],
};

async function prepare({ database, secrets }: Gallery): Promise<void> {
  await database.transact(system('admin'), async (tx) => {
    if (await findUpstream(tx, 'hub')) return;
    await saveUpstream(tx, secrets, 'hub', hub, { clientSecret: 'a-secret-of-the-gallery' });
    await tx.query(
      `insert into upstream_links (id, upstream, tenant, subject, person, label, created_at, used_at)
       select gen_random_uuid(), 'hub', '', p.username, p.id, p.username, now() - interval '40 days', now()
       from people p where p.username in ('ada', 'root')`,
    );
  });
}

const inConsole = (path: string) => async (page: Page, gallery: Gallery) => {
  await prepare(gallery);
  await page.goto(gallery.origin + path);
  await settled(page);
};

const unlinking = async (page: Page, gallery: Gallery) => {
  await prepare(gallery);
  const [link] = await gallery.database.query<{ id: string; person: string }>(
    `select l.id, l.person from upstream_links l join people p on p.id = l.person where p.username = 'ada'`,
  );
  await inConsole(`/admin/people/${link?.person}/links/${link?.id}/remove`)(page, gallery);
};

export const upstreamViews: readonly View[] = [
  { name: 'admin-upstreams', who: 'root', open: inConsole('/admin/upstreams') },
  { name: 'admin-upstream-add', who: 'root', open: inConsole('/admin/upstreams/add') },
  { name: 'admin-upstream-add-entra', who: 'root', open: inConsole('/admin/upstreams/add/entra') },
  { name: 'admin-upstream-add-saml', who: 'root', open: inConsole('/admin/upstreams/add/saml') },
  { name: 'admin-upstream', who: 'root', open: inConsole('/admin/upstreams/hub') },
  { name: 'admin-upstream-people', who: 'root', open: inConsole('/admin/upstreams/hub/people') },
  { name: 'admin-upstream-settings', who: 'root', open: inConsole('/admin/upstreams/hub/settings') },
  { name: 'admin-upstream-on', who: 'root', open: inConsole('/admin/upstreams/hub/switch/on') },
  { name: 'admin-upstream-off', who: 'root', open: inConsole('/admin/upstreams/hub/switch/off') },
  { name: 'admin-upstream-remove', who: 'root', open: inConsole('/admin/upstreams/hub/remove') },
  { name: 'admin-person-unlink', who: 'root', open: unlinking },
];
