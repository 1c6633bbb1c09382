/** Giving a role, and taking one away: both need a recent sign-in. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call, Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page } from '#consoles/admin/web/parts/page.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { type Role, RoleFields, useRole } from './role-fields.tsx';
import { findByUsername, useUsernames } from './usernames.ts';

const say = words.operatorsPage;
const up = { href: '/admin/operators', label: words.operators };

/** /admin/operators/give */
export function OperatorGrant() {
  const { route } = useLocation();
  const [username, setUsername] = useState('');
  const chosen = useRole('help-desk');
  const [error, setError] = useState<string>();
  const [refusal, setRefusal] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const suggestions = useUsernames(username);
  const give = async () => {
    setBusy(true);
    setError(undefined);
    setRefusal(undefined);
    try {
      const person = await findByUsername(username);
      if (person) {
        const body = { role: chosen.role, ...chosen.bound };
        const { given } = await call('POST /operators/:person/roles', {
          params: { person: person.id },
          body,
        });
        forgetAll();
        if (given) return route(up.href, true);
      }
      setError(person ? say.held : say.unknown);
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setRefusal(refused);
    }
    return setBusy(false);
  };
  return (
    <Page title={say.give} up={up}>
      <section class="card narrow">
        <Elevated refusal={refusal}>
          <form
            class="fields"
            onSubmit={(event) => {
              event.preventDefault();
              void give();
            }}
          >
            {refusal && <Refused error={refusal} />}
            <TextField
              name="username"
              label={say.username}
              value={username}
              onInput={setUsername}
              suggestions={suggestions}
              error={error}
              literal
              required
            />
            <RoleFields label={say.role} appLabel={say.app} chosen={chosen} />
            <div class="actions">
              <Button id="give" label={say.giveAct} busy={busy} />
              <LinkButton label={words.cancel} href={up.href} />
            </div>
          </form>
        </Elevated>
      </section>
    </Page>
  );
}

/** /admin/operators/:person/take/:role/:application? */
export function OperatorRemoval(props: { person: string; role: Role; application?: string }) {
  const { person: id, role, application } = props;
  const { route } = useLocation();
  const { data: person, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!person) return null;
  return (
    <ConfirmPage
      title={say.takeTitle(words.roleNames[role] ?? role, person.displayName)}
      up={up}
      act={say.takeAct}
      danger
      elevated
      onConfirm={async () => {
        const body = application ? { role, application } : { role };
        await call('POST /operators/:person/roles/withdraw', { params: { person: id }, body });
        route(up.href);
      }}
    >
      <p>{say.takeText}</p>
    </ConfirmPage>
  );
}
