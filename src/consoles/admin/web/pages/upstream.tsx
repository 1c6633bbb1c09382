/** `/admin/upstreams/:id`: how it stands, what to paste there, whether it answers; its settings; its people. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton, Tabs } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { Notes, Pastes } from './upstream-add.tsx';
import { UpstreamSettings } from './upstream-edit.tsx';
import { settingsOf, type Upstream } from './upstream-settings.ts';
import { UpstreamState, wayOf } from './upstreams.tsx';

const say = upstreamWords;

export function UpstreamPage({ id, view }: { id: string; view?: string }) {
  const { can } = useSession();
  const {
    data: upstream,
    error,
    slow,
    reload,
  } = useLoad(`upstream ${id}`, () => call('GET /upstreams/:id', { params: { id } }));
  const up = { href: '/admin/upstreams', label: say.title };
  if (!upstream)
    return (
      <Page title={say.title} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={8} />}
      </Page>
    );
  const { title, enabled } = settingsOf(upstream);
  const base = `/admin/upstreams/${id}`;
  const mayWrite = can('upstreams.write');
  const tabs = [
    { href: base, label: say.overview },
    ...(can('people.read') ? [{ href: `${base}/people`, label: say.people }] : []),
    ...(mayWrite ? [{ href: `${base}/settings`, label: say.settings }] : []),
  ];
  return (
    <Page
      title={title}
      up={up}
      badge={<UpstreamState enabled={enabled} />}
      actions={
        mayWrite && (
          <>
            <LinkButton
              id="switch"
              label={enabled ? say.switchOff : say.switchOn}
              href={`${base}/switch/${enabled ? 'off' : 'on'}`}
              kind={enabled ? 'quiet' : 'primary'}
              compact
            />
            <LinkButton id="remove-upstream" label={say.remove} href={`${base}/remove`} compact />
          </>
        )
      }
    >
      {!enabled && (
        <Notice tone="warning" title={say.offNow}>
          {mayWrite && <p>{say.offNext}</p>}
        </Notice>
      )}
      <Tabs label={say.views} items={tabs} current={view ? `${base}/${view}` : base} />
      {view === 'settings' && mayWrite ? (
        <UpstreamSettings upstream={upstream} />
      ) : view === 'people' ? (
        <LinkedPeople id={id} />
      ) : (
        <Overview upstream={upstream} />
      )}
    </Page>
  );
}

function Overview({ upstream }: { upstream: Upstream }) {
  const { can } = useSession();
  const { id } = upstream;
  const { data, error, slow } = useLoad(`upstream connection ${id}`, () =>
    call('GET /upstreams/:id/connection', { params: { id } }),
  );
  const settings = settingsOf(upstream);
  return (
    <>
      <div class="two">
        <div class="stack">
          <Section title={say.paste}>
            {error && <Refused error={error} />}
            {slow && <Skeleton rows={3} />}
            {data && <p>{data.where}</p>}
            {data && <Pastes there={data.there} id={id} />}
          </Section>
        </div>
        <div class="stack">
          <Section title={say.facts}>
            <Facts
              facts={[
                { name: say.id, value: '', copy: id },
                { name: say.kind, value: data?.title ?? say.kinds[upstream.kind] },
                { name: say.way, value: wayOf(settings) },
                { name: say.newPeople, value: say.newPeopleRules[settings.newPeople][0] },
                { name: say.people, value: count(upstream.people) },
                { name: say.sessions, value: count(upstream.sessions) },
                {
                  name: say.credentials,
                  value: upstream.kind !== 'saml' && (upstream.hasCredentials ? say.areSet : say.areNone),
                },
                { name: say.added, value: <Time at={upstream.createdAt} /> },
                { name: say.changed, value: <Time at={upstream.updatedAt} /> },
              ]}
            />
          </Section>
          {can('upstreams.write') && <TryIt id={id} />}
        </div>
      </div>
      {data && <Notes notes={data.notes} />}
    </>
  );
}

type Tried = Answer<'POST /upstreams/:id/try'>['tried'];

function TryIt({ id }: { id: string }) {
  const [tried, setTried] = useState<Tried>();
  const { busy, refusal, act } = useAct(async () => {
    setTried(undefined);
    setTried((await call('POST /upstreams/:id/try', { params: { id }, body: {} })).tried);
  });
  return (
    <Section title={say.tryIt}>
      <p class="muted small">{say.tryText}</p>
      {refusal && <Refused error={refusal} />}
      <div aria-live="polite">
        {tried && (
          <ul class="lines tried">
            {tried.map((one) => (
              <li key={one.what}>
                <span class="row">
                  <strong>{one.what}</strong>
                  <Badge tone={one.ok ? 'success' : 'danger'} label={one.ok ? say.works : say.fails} />
                </span>
                <span>{one.said}</span>
                {one.detail && (
                  <span class="more">
                    {say.thereSaid}: <code>{one.detail}</code>
                  </span>
                )}
              </li>
            ))}
          </ul>
        )}
        {tried?.every((one) => one.ok) && <p class="small">{say.allWork}</p>}
      </div>
      <div class="actions">
        <Button id="try" label={say.tryAct} kind="quiet" busy={busy} onClick={act} />
      </div>
    </Section>
  );
}

function LinkedPeople({ id }: { id: string }) {
  const pages = usePages(`upstream people ${id}`, (page) =>
    call('GET /upstreams/:id/people', { params: { id }, query: page }),
  );
  return (
    <PagedTable
      caption={say.people}
      pages={pages}
      keyOf={(one) => one.id}
      empty={<Empty title={say.peopleNone} text={say.peopleNoneText} />}
      columns={[
        {
          title: say.person,
          cell: (one) => (
            <a class="row-link" href={`/admin/people/${one.person}`}>
              <span dir="auto">{one.displayName}</span>
              <small>{one.username}</small>
            </a>
          ),
        },
        { title: say.label, cell: (one) => <span dir="auto">{one.label}</span>, breaks: true },
        { title: say.since, cell: (one) => <Time at={one.createdAt} />, roomy: true },
        {
          title: say.used,
          cell: (one) => (one.usedAt ? <Time at={one.usedAt} /> : <span class="muted">{words.never}</span>),
        },
      ]}
    />
  );
}
