/** Taking and giving back a person's standing, and ending their sessions: asked first, on a page of its own. */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { StateBadge } from '#consoles/admin/web/parts/badge.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { eraseWords } from '#consoles/admin/web/words-accounts.ts';
import { mayErase, type Standing, standingsAfter } from './person.tsx';

/** /admin/people/:id/standing/:state */
export function StandingChange({ id, state }: { id: string; state: string }) {
  const { route } = useLocation();
  const { data: person, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  const up = { href: `/admin/people/${id}`, label: person?.displayName ?? words.people };
  if (error) return <Refused error={error} />;
  if (!person) return null;
  const wanted = standingsAfter(person.state).find((one): one is Standing => one === state);
  if (!wanted)
    return (
      <Page title={person.displayName} up={up} badge={<StateBadge state={person.state} />}>
        <Empty title={words.notFound} text={words.notFoundText} action={{ label: up.label, href: up.href }} />
      </Page>
    );
  const say = words.standing[wanted];
  return (
    <ConfirmPage
      title={say.title(person.displayName)}
      up={up}
      act={say.act}
      danger={wanted !== 'active'}
      reason={{ label: words.standing.reason, help: words.standing.reasonHelp }}
      onConfirm={async (reason) => {
        await call('POST /people/:id/state', { params: { id }, body: { state: wanted, reason } });
        route(up.href);
      }}
    >
      <p>{say.text}</p>
      <p class="muted">
        {person.username} · <StateBadge state={person.state} />
      </p>
    </ConfirmPage>
  );
}

/** /admin/people/:id/sessions/end */
export function SessionsEnd({ id }: { id: string }) {
  const { route } = useLocation();
  const say = words.personPage;
  const { data: person, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!person) return null;
  const up = { href: `/admin/people/${id}/sign-ins`, label: person.displayName };
  return (
    <ConfirmPage
      title={say.endAllTitle(person.displayName)}
      up={up}
      act={say.endAll}
      danger
      onConfirm={async () => {
        await call('DELETE /people/:id/sessions', { params: { id } });
        route(up.href);
      }}
    >
      <p>{say.endAllText}</p>
    </ConfirmPage>
  );
}

/** /admin/people/:id/erase */
export function PersonErasure({ id }: { id: string }) {
  const { route } = useLocation();
  const say = eraseWords;
  const { data: person, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!person) return null;
  const up = { href: `/admin/people/${id}`, label: person.displayName };
  if (!mayErase(person.state))
    return (
      <Page title={person.displayName} up={up} badge={<StateBadge state={person.state} />}>
        <Empty title={words.notFound} text={words.notFoundText} action={{ label: up.label, href: up.href }} />
      </Page>
    );
  return (
    <ConfirmPage
      title={say.title(person.displayName)}
      up={up}
      act={say.act}
      danger
      elevated
      reason={{ label: say.reason, help: say.reasonHelp }}
      expect={{ label: say.expect(person.username), text: person.username }}
      onConfirm={async (reason) => {
        const body = { username: person.username, reason };
        await call('POST /people/:id/erase', { params: { id }, body });
        route(up.href);
      }}
    >
      <p>{say.text}</p>
      <Notice tone="warning">{say.noReturn}</Notice>
    </ConfirmPage>
  );
}
