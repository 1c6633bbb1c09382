/** Switching an upstream off and on, and removing it: each says first who loses what. */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { saveUpstream, settingsOf } from './upstream-settings.ts';

const say = upstreamWords;

function useUpstream(id: string) {
  const { data, error } = useLoad(`upstream ${id}`, () => call('GET /upstreams/:id', { params: { id } }));
  const title = data ? settingsOf(data).title : id;
  return { upstream: data, error, title, up: { href: `/admin/upstreams/${id}`, label: title } };
}

/** How many of its people would have no way in. */
function Dependents({ id }: { id: string }) {
  const { data, error } = useLoad(`dependents ${id}`, () =>
    call('GET /upstreams/:id/dependents', { params: { id } }),
  );
  if (error) return <Refused error={error} />;
  if (!data) return null;
  const { people, unreachable } = data;
  if (people === 0) return <p>{say.noDependents}</p>;
  return (
    <p id="dependents">
      <strong>{say.dependents(people, count(people))}</strong>{' '}
      {unreachable > 0 && say.unreachable(unreachable, count(unreachable))}
    </p>
  );
}

/** /admin/upstreams/:id/switch/:to */
export function UpstreamSwitch({ id, to }: { id: string; to: string }) {
  const { route } = useLocation();
  const { upstream, error, title, up } = useUpstream(id);
  if (error) return <Refused error={error} />;
  if (!upstream) return null;
  const on = to === 'on';
  const settings = settingsOf(upstream);
  const [sessions, people] = [count(upstream.sessions), count(upstream.people)];
  return (
    <ConfirmPage
      title={on ? say.onTitle(title) : say.offTitle(title)}
      up={up}
      act={on ? say.switchOn : say.switchOff}
      danger={!on}
      elevated
      onConfirm={async () => {
        await saveUpstream(id, { ...settings, enabled: on }, { version: upstream.version });
        route(up.href);
      }}
    >
      <p>{on ? say.onText : say.offText(sessions, people)}</p>
      {!on && upstream.people > 0 && <Dependents id={id} />}
      {!on && settings.ldap && <p>{say.offStays}</p>}
    </ConfirmPage>
  );
}

/** /admin/upstreams/:id/remove */
export function UpstreamRemoval({ id }: { id: string }) {
  const { route } = useLocation();
  const { upstream, error, title, up } = useUpstream(id);
  if (error) return <Refused error={error} />;
  if (!upstream) return null;
  const { people } = upstream;
  return (
    <ConfirmPage
      title={say.removeTitle(title)}
      up={up}
      act={say.remove}
      danger
      elevated
      expect={people > 0 ? { label: say.removeExpect, text: String(people) } : undefined}
      onConfirm={async () => {
        await call('DELETE /upstreams/:id', { params: { id }, query: { people } });
        route('/admin/upstreams');
      }}
    >
      <p>{say.removeText(count(upstream.sessions), count(people))}</p>
      {people > 0 && <Dependents id={id} />}
      {people > 0 && <p>{say.removeThen}</p>}
    </ConfirmPage>
  );
}
