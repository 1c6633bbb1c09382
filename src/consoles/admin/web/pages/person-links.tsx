/** Accounts elsewhere that open the account of a person, and taking one away. */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { settingsOf } from './upstream-settings.ts';

const say = upstreamWords;

function useLinks(person: string) {
  const { can } = useSession();
  const links = useLoad(`links ${person}`, () => call('GET /people/:id/links', { params: { id: person } }));
  const upstreams = useLoad(can('applications.read') ? 'upstreams of links' : undefined, () =>
    call('GET /upstreams'),
  );
  const titles = new Map(upstreams.data?.items.map((one) => [one.id, settingsOf(one).title]));
  return { links, titleOf: (id: string) => titles.get(id) ?? id };
}

/** The part of a person's page about them. */
export function PersonLinks({ id }: { id: string }) {
  const { can } = useSession();
  const { links, titleOf } = useLinks(id);
  const items = links.data?.items ?? [];
  return (
    <Section title={say.linked}>
      {links.error && <Refused error={links.error} />}
      {links.data && items.length === 0 && <p class="muted small">{say.linkedNone}</p>}
      {items.length > 0 && (
        <ul class="lines">
          {items.map((one) => (
            <li key={one.id}>
              <span class="what">
                <a href={`/admin/upstreams/${one.upstream}`}>{titleOf(one.upstream)}</a>{' '}
                <span class="muted" dir="auto">
                  {one.label}
                </span>
              </span>
              <span class="row spread">
                <span class="more">
                  {say.used} {one.usedAt ? <Time at={one.usedAt} /> : words.never}
                </span>
                {can('people.write') && (
                  <LinkButton
                    label={say.unlink}
                    describe={say.unlinkOf(titleOf(one.upstream), one.label)}
                    href={`/admin/people/${id}/links/${one.id}/remove`}
                    compact
                  />
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

/** /admin/people/:id/links/:link/remove */
export function LinkRemoval({ id, link }: { id: string; link: string }) {
  const { route } = useLocation();
  const person = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  const { links, titleOf } = useLinks(id);
  const one = links.data?.items.find((each) => each.id === link);
  const error = person.error ?? links.error;
  if (error) return <Refused error={error} />;
  if (!person.data || !one) return null;
  const name = person.data.displayName;
  const up = { href: `/admin/people/${id}`, label: name };
  return (
    <ConfirmPage
      title={say.unlinkTitle(titleOf(one.upstream))}
      up={up}
      act={say.unlink}
      danger
      onConfirm={async () => {
        await call('DELETE /people/:id/links/:link', { params: { id, link } });
        route(up.href);
      }}
    >
      <p>{say.unlinkText(name, one.label)}</p>
      <p>{say.unlinkThen}</p>
    </ConfirmPage>
  );
}
