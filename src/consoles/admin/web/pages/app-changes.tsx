/** A new secret for an app, and removing one: both need a recent sign-in. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { ShownOnce } from '#consoles/admin/web/parts/shown-once.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { settingsOf } from './app-settings.ts';

const say = words.appsPage;

function useApp(id: string) {
  const { data, error } = useLoad(`app ${id}`, () => call('GET /applications/:id', { params: { id } }));
  const title = data ? settingsOf(data).title : id;
  return { isThere: data !== undefined, error, title, up: { href: `/admin/apps/${id}`, label: title } };
}

/** /admin/apps/:id/secret */
export function AppSecret({ id }: { id: string }) {
  const { isThere, error, title, up } = useApp(id);
  const [secret, setSecret] = useState<string>();
  if (error) return <Refused error={error} />;
  if (!isThere) return null;
  if (secret !== undefined)
    return (
      <ShownOnce
        title={title}
        up={up}
        said={say.newSecretDone}
        facts={[{ name: say.secret, term: 'client_secret', value: '', copy: secret }]}
        done={title}
      />
    );
  return (
    <ConfirmPage
      title={say.newSecretTitle(title)}
      up={up}
      act={say.newSecretAct}
      danger
      elevated
      onConfirm={async () => {
        const made = await call('POST /applications/:id/secret', { params: { id }, body: {} });
        setSecret(made.secret ?? '');
      }}
    >
      <p>{say.newSecretText}</p>
    </ConfirmPage>
  );
}

/** /admin/apps/:id/remove */
export function AppRemoval({ id }: { id: string }) {
  const { route } = useLocation();
  const { isThere, error, title, up } = useApp(id);
  if (error) return <Refused error={error} />;
  if (!isThere) return null;
  return (
    <ConfirmPage
      title={say.removeTitle(title)}
      up={up}
      act={say.remove}
      danger
      elevated
      expect={{ label: say.removeExpect, text: id }}
      onConfirm={async () => {
        await call('DELETE /applications/:id', { params: { id } });
        route('/admin/apps');
      }}
    >
      <p>{say.removeText}</p>
    </ConfirmPage>
  );
}
