/** What became of a mail, as whoever waits for it sees it, and as operators do. */
import type { Page } from 'playwright-core';
import { askLink } from '#core/credentials/recovery-links.ts';
import { listAddresses } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { takeReport } from '#notices/bounces.ts';
import { noteHardBounce } from '#notices/suppressions.ts';
import { idOf } from '#test/factors.ts';
import type { Gallery } from './gallery-community.ts';
import { send, settled, toCode, type View } from './gallery-views.ts';

const gmail =
  '550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient’s email address for typos or unnecessary spaces.';

/** Signed up, and what became of that mail is told. */
async function waiting(
  page: Page,
  gallery: Gallery,
  report?: { state: 'bounced' | 'delivered' | 'deferred'; text?: string; status?: string },
): Promise<void> {
  const { address } = await toCode(page, gallery);
  await gallery.settle();
  const [notice] = await gallery.database.query<{ id: string }>(
    `select n.id from notices n join addresses a on a.id = n.address where a.address = $1
     order by n.created_at desc limit 1`,
    [address],
  );
  if (report)
    await gallery.database.transact(system(), (tx) =>
      takeReport(tx, notice?.id ?? '', { ...report, at: tx.now() }),
    );
  await page.goto(`${gallery.origin}/verify/mail`);
}

/** Not taken yet, and cut off once while it was handed over. */
async function heldUp(page: Page, gallery: Gallery): Promise<void> {
  await waiting(page, gallery);
  await gallery.database.query(
    `update notices set state = 'deferred', accepted_at = null, resent = 1, answer = '451 4.7.1 Greylisting in action, please come back later',
       next_attempt_at = now() + interval '9 minutes'
     where id = (select id from notices order by created_at desc, id desc limit 1)`,
  );
  await page.reload();
}

async function recovered(page: Page, gallery: Gallery): Promise<void> {
  await page.context().clearCookies();
  await gallery.database.query('delete from rate_buckets');
  await page.goto(`${gallery.origin}/recover`);
  await send(page, '#recover', { '#username': 'somebody.else' });
  await page.goto(`${gallery.origin}/recover/mail`);
}

async function operatorsSee(page: Page, gallery: Gallery, path: string): Promise<void> {
  const ada = await idOf(gallery, 'ada');
  await gallery.settle();
  await gallery.database.transact(system('demo'), async (tx) => {
    const [address] = await listAddresses(tx, [ada]);
    const refusal = { person: ada, address: address!.id, status: '5.1.1', text: gmail };
    for (let times = 0; times < 2; times += 1) await noteHardBounce(tx, refusal);
    await askLink(tx, { person: ada, reason: 'Called back on the number we knew', operator: newId() }).catch(
      () => undefined,
    );
  });
  await page.goto(gallery.origin + path.replace(':ada', ada));
  await settled(page);
}

const seen = (path: string) => (page: Page, gallery: Gallery) => operatorsSee(page, gallery, path);

export const ownMailViews: readonly View[] = [
  { name: 'no-mail', who: 'guest', open: (page, gallery) => waiting(page, gallery) },
  {
    name: 'no-mail-refused',
    who: 'guest',
    open: (page, gallery) => waiting(page, gallery, { state: 'bounced', text: gmail, status: '5.1.1' }),
  },
  {
    name: 'no-mail-delivered',
    who: 'guest',
    open: (page, gallery) => waiting(page, gallery, { state: 'delivered' }),
  },
  { name: 'no-mail-waiting', who: 'guest', open: heldUp },
  { name: 'no-mail-recovery', who: 'guest', open: recovered },
  { name: 'admin-mail', who: 'root', open: seen('/admin/mail') },
  { name: 'admin-mail-spared', who: 'root', open: seen('/admin/mail/spared') },
  { name: 'admin-recovery-links', who: 'root', open: seen('/admin/recovery-links') },
  { name: 'admin-recovery-link-ask', who: 'root', open: seen('/admin/people/:ada/recovery-link/ask') },
  { name: 'admin-recovery-link-agree', who: 'root', open: seen('/admin/people/:ada/recovery-link/agree') },
];
