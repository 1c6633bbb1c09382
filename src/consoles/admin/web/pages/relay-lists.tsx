/** `/admin/relay/lists`: networks that senders publish; what shrinks too far waits here for a yes or a no. */

import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { percentOf } from './relay-list-edit.tsx';
import { RelayTabs, relayHome } from './relay-views.tsx';

type Summary = Answer<'GET /relay/lists'>['items'][number];
type Detail = Answer<'GET /relay/lists/:name'>;
type Change = Answer<'GET /relay/lists/:name/changes'>['items'][number];

const up = { href: '/admin/relay/lists', label: say.lists };

function ListState({ list }: { list: Pick<Summary, 'problem' | 'isStale' | 'held'> | Detail }) {
  if (list.held) return <Badge tone="warning" label={say.listStates.held} />;
  if (list.isStale) return <Badge tone="danger" label={say.listStates.stale} />;
  if (list.problem) return <Badge tone="warning" label={say.listStates.problem} />;
  return <Badge tone="success" label={say.listStates.good} />;
}

export function RelayListsPage() {
  const { can } = useSession();
  const pages = usePages('relay lists', () => call('GET /relay/lists'));
  const add = can('relay.write') ? { href: '/admin/relay/add-list', label: say.addList } : undefined;
  return (
    <Page
      title={say.lists}
      up={relayHome}
      actions={
        add && pages.items?.length !== 0 && <LinkButton id="add-list" kind="primary" compact {...add} />
      }
    >
      <RelayTabs current="/admin/relay/lists" />
      <PagedTable
        caption={say.lists}
        pages={pages}
        keyOf={(one) => one.name}
        empty={<Empty title={say.noLists} text={say.noListsText} action={add} />}
        columns={[
          {
            title: say.list,
            cell: (one) => (
              <a class="row-link" href={`/admin/relay/lists/${one.name}`}>
                {one.name}
                <small>{one.settings.url ?? say.byHand}</small>
              </a>
            ),
            breaks: true,
          },
          { title: say.state, cell: (one) => <ListState list={one} /> },
          { title: say.networksIn, cell: (one) => count(one.count), number: true },
          { title: say.checked, cell: (one) => one.checkedAt && <Time at={one.checkedAt} />, roomy: true },
          {
            title: say.usedBy,
            cell: (one) => one.apps.join(', ') || <span class="muted">{say.none}</span>,
            wide: true,
          },
        ]}
      />
    </Page>
  );
}

/** /admin/relay/lists/:name */
export function RelayListPage({ name }: { name: string }) {
  const { can } = useSession();
  const { data, error, reload } = useLoad(`relay list ${name}`, () =>
    call('GET /relay/lists/:name', { params: { name } }),
  );
  const [came, setCame] = useState<Answer<'POST /relay/lists/:name/check'>>();
  const look = useAct(async () => {
    setCame(await call('POST /relay/lists/:name/check', { params: { name }, body: {} }));
    forgetAll();
    reload();
  });
  if (error)
    return (
      <Page title={name} up={up}>
        <Refused error={error} retry={reload} />
      </Page>
    );
  if (!data) return null;
  const mayWrite = can('relay.write');
  return (
    <Page
      title={name}
      up={up}
      badge={<ListState list={data} />}
      actions={
        mayWrite && (
          <>
            {data.settings.url && (
              <Button
                id="look-now"
                label={say.look}
                kind="quiet"
                compact
                busy={look.busy}
                onClick={look.act}
              />
            )}
            <LinkButton
              id="change-list"
              label={say.changeList}
              href={`/admin/relay/lists/${name}/change`}
              compact
            />
            <LinkButton
              id="remove-list"
              label={say.removeList}
              href={`/admin/relay/lists/${name}/remove`}
              compact
            />
          </>
        )
      }
    >
      {look.refusal && <Refused error={look.refusal} />}
      {came && (
        <Notice tone={came.outcome === 'refused' ? 'warning' : 'info'} live>
          <p>{say.looks[came.outcome]}</p>
          {came.problem && <p class="small">{came.problem}</p>}
        </Notice>
      )}
      {data.held && <Held name={name} held={data.held} mayDecide={mayWrite} />}
      <Kept list={data} />
      <History name={name} />
    </Page>
  );
}

function Kept({ list }: { list: Detail }) {
  const { url, product, direction, shrinkGuard, everyMinutes } = list.settings;
  return (
    <Section title={say.list}>
      <Facts
        facts={[
          { name: say.url, value: url ?? say.byHand },
          { name: say.entries, value: url && [product, direction].filter(Boolean).join(' · ') },
          { name: say.minutesField, value: url && count(everyMinutes) },
          { name: say.shareField, value: url && percentOf(shrinkGuard) },
          { name: say.networksIn, value: count(list.count) },
          { name: say.usedBy, value: list.apps.join(', ') || say.none },
          { name: say.checked, value: list.checkedAt && <Time at={list.checkedAt} /> },
          { name: say.fetched, value: list.fetchedAt && <Time at={list.fetchedAt} /> },
          { name: say.why, value: list.problem },
        ]}
      />
      <details>
        <summary>{say.inForce}</summary>
        <Networks networks={[...new Set([...list.networks, ...list.byHand])]} />
      </details>
    </Section>
  );
}

function Networks({ networks }: { networks: readonly string[] }) {
  if (networks.length === 0) return <p class="muted small">{say.none}</p>;
  return (
    <ul class="networks">
      {networks.map((one) => (
        <li key={one}>
          <code>{one}</code>
        </li>
      ))}
    </ul>
  );
}

/** A few networks are read at a glance; many would push the decision out of sight. */
const shownAtOnce = 10;

function Went({ title, networks }: { title: string; networks: readonly string[] }) {
  if (networks.length === 0) return null;
  return (
    <details open={networks.length <= shownAtOnce}>
      <summary>{title}</summary>
      <Networks networks={networks} />
    </details>
  );
}

function Held({
  name,
  held,
  mayDecide,
}: {
  name: string;
  held: NonNullable<Detail['held']>;
  mayDecide: boolean;
}) {
  return (
    <Notice tone="warning" title={say.heldTitle}>
      <p>{say.heldText}</p>
      <p class="small">
        {say.removed}: {held.removed.length} · {say.added}: {held.added.length} · <Time at={held.at} />
      </p>
      <Went title={say.removed} networks={held.removed} />
      <Went title={say.added} networks={held.added} />
      {mayDecide && (
        <p class="actions">
          <LinkButton
            id="approve-list"
            label={say.approve}
            href={`/admin/relay/lists/${name}/approve`}
            compact
          />
          <LinkButton
            id="dismiss-list"
            label={say.dismiss}
            href={`/admin/relay/lists/${name}/dismiss`}
            compact
          />
        </p>
      )}
    </Notice>
  );
}

const outcomeTones = {
  taken: 'success',
  held: 'warning',
  refused: 'danger',
  approved: 'success',
  dismissed: 'neutral',
  'by-hand': 'info',
} as const;

/** How many, and on a press which. */
function Counted({ networks }: { networks: readonly string[] }) {
  if (networks.length === 0) return count(0);
  return (
    <details>
      <summary>{count(networks.length)}</summary>
      <Networks networks={networks} />
    </details>
  );
}

function History({ name }: { name: string }) {
  const pages = usePages(`relay list changes ${name}`, (page) =>
    call('GET /relay/lists/:name/changes', { params: { name }, query: page }),
  );
  return (
    <Section title={say.history}>
      <PagedTable<Change>
        caption={say.history}
        pages={pages}
        keyOf={(one) => String(one.id)}
        cards
        empty={<p class="muted small">{say.noHistory}</p>}
        columns={[
          {
            title: say.verdict,
            cell: (one) => <Badge tone={outcomeTones[one.outcome]} label={say.outcomes[one.outcome]} />,
          },
          { title: say.changed, cell: (one) => <Time at={one.at} /> },
          {
            title: say.decidedBy,
            cell: ({ decidedBy }) =>
              decidedBy ? (
                <a href={`/admin/people/${decidedBy.id}`}>{decidedBy.displayName}</a>
              ) : (
                <span class="muted">{say.none}</span>
              ),
          },
          { title: say.added, cell: (one) => <Counted networks={one.added} />, breaks: true },
          { title: say.removed, cell: (one) => <Counted networks={one.removed} />, breaks: true },
          {
            title: say.note,
            cell: (one) => one.note ?? <span class="muted">{say.none}</span>,
            breaks: true,
            wide: true,
          },
        ]}
      />
    </Section>
  );
}

/** One list for a page about it, once it is read; what is refused is said instead. */
function useList(name: string): { list?: Detail; said?: VNode } {
  const { data, error } = useLoad(`relay list ${name}`, () =>
    call('GET /relay/lists/:name', { params: { name } }),
  );
  if (!error) return { list: data };
  return {
    said: (
      <Page title={name} up={up}>
        <Refused error={error} />
      </Page>
    ),
  };
}

/** /admin/relay/lists/:name/:answer: about exactly what was held when this page was opened. */
export function RelayListDecision({ name, answer }: { name: string; answer: string }) {
  const { route } = useLocation();
  const { list, said } = useList(name);
  const back = { href: `/admin/relay/lists/${name}`, label: name };
  if (!list) return said ?? null;
  const { held } = list;
  if (!held)
    return (
      <Page title={name} up={back}>
        <Notice tone="info">{say.nothingHeld}</Notice>
      </Page>
    );
  const isYes = answer === 'approve';
  return (
    <ConfirmPage
      title={isYes ? say.approveTitle(name) : say.dismissTitle(name)}
      up={back}
      act={isYes ? say.approve : say.dismiss}
      danger={isYes}
      elevated
      onConfirm={async () => {
        const input = { params: { name }, body: { mark: held.mark } };
        if (isYes) await call('POST /relay/lists/:name/approve', input);
        else await call('POST /relay/lists/:name/dismiss', input);
        route(back.href);
      }}
    >
      <p>{isYes ? say.approveText(held.removed.length) : say.dismissText}</p>
      <Networks networks={held.removed} />
      {held.added.length > 0 && (
        <>
          <p>{isYes ? say.approveAdds(held.added.length) : say.dismissAdds(held.added.length)}</p>
          <Networks networks={held.added} />
        </>
      )}
    </ConfirmPage>
  );
}

/** /admin/relay/lists/:name/remove: only a list that lets no app in can go. */
export function RelayListRemoval({ name }: { name: string }) {
  const { route } = useLocation();
  const { list, said } = useList(name);
  const back = { href: `/admin/relay/lists/${name}`, label: name };
  if (!list) return said ?? null;
  if (list.apps.length > 0)
    return (
      <Page title={say.removeTitle(name)} up={back}>
        <Notice tone="warning" title={say.usedTitle}>
          <p>{say.usedText(name)}</p>
          <ul>
            {list.apps.map((id) => (
              <li key={id}>
                <a href={`/admin/relay/apps/${id}`}>{id}</a>
              </li>
            ))}
          </ul>
        </Notice>
      </Page>
    );
  return (
    <ConfirmPage
      title={say.removeTitle(name)}
      up={back}
      act={say.removeList}
      danger
      elevated
      onConfirm={async () => {
        await call('DELETE /relay/lists/:name', { params: { name } });
        route(up.href);
      }}
    >
      <p>{say.removeText}</p>
    </ConfirmPage>
  );
}
