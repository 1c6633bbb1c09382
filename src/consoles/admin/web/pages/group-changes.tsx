/** Adding a group, and removing one. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call, Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page } from '#consoles/admin/web/parts/page.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { words } from '#consoles/admin/web/words.ts';

const say = words.groupsPage;
const up = { href: '/admin/groups', label: words.groups };

/** /admin/groups/add */
export function GroupAddition() {
  const { route } = useLocation();
  const [given, setGiven] = useState({ name: '', title: '', description: '' });
  const [refusal, setRefusal] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const set = (field: keyof typeof given) => (value: string) => setGiven({ ...given, [field]: value });
  const add = async () => {
    setBusy(true);
    setRefusal(undefined);
    try {
      const { id } = await call('POST /groups', { body: given });
      forgetAll();
      route(`/admin/groups/${id}`, true);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setRefusal(error);
      setBusy(false);
    }
  };
  return (
    <Page title={say.add} up={up}>
      <section class="card narrow">
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          {refusal && <Refused error={refusal} />}
          <TextField
            name="name"
            label={say.name}
            help={say.nameHelp}
            value={given.name}
            onInput={set('name')}
            error={refusal?.fields.name}
            maxLength={255}
            literal
            required
          />
          <TextField
            name="title"
            label={say.title}
            value={given.title}
            onInput={set('title')}
            maxLength={250}
          />
          <TextField
            name="description"
            label={say.description}
            value={given.description}
            onInput={set('description')}
            maxLength={1000}
            long
          />
          <div class="actions">
            <Button id="add" label={say.addAct} busy={busy} />
            <LinkButton label={words.cancel} href={up.href} />
          </div>
        </form>
      </section>
    </Page>
  );
}

/** /admin/groups/:id/remove */
export function GroupRemoval({ id }: { id: string }) {
  const { route } = useLocation();
  const { data: group, error } = useLoad(`group counted ${id}`, async () => {
    const found = await call('GET /groups/:id', { params: { id } });
    const { items } = await call('GET /groups', { query: { search: found.name, limit: 200 } });
    return { ...found, members: items.find((one) => one.id === id)?.members ?? 0 };
  });
  if (error) return <Refused error={error} />;
  if (!group) return null;
  return (
    <ConfirmPage
      title={say.removeTitle(group.name)}
      up={{ href: `/admin/groups/${id}`, label: group.name }}
      act={say.remove}
      danger
      elevated
      expect={{ label: say.removeExpect, text: String(group.members) }}
      onConfirm={async () => {
        await call('DELETE /groups/:id', { params: { id } });
        route(up.href);
      }}
    >
      <p>{say.removeText(count(group.members))}</p>
    </ConfirmPage>
  );
}
