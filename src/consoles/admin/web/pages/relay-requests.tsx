/** `/admin/relay/requests`: people who ask that somebody who was refused may write to them. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { FilterSelect, SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { useFilters } from './filters.ts';
import { RelayTabs, relayHome } from './relay-views.tsx';

type Wish = Answer<'GET /relay/requests'>['items'][number];
type State = Wish['state'];

const tones = { open: 'warning', allowed: 'success', refused: 'neutral' } as const;
const states = Object.keys(say.requestStates) as State[];
const all = { href: '/admin/relay/requests', label: say.requests };

const doing = {
  title: words.doing,
  does: true,
  cell: (one: Wish) =>
    one.state === 'open' && (
      <span class="row">
        <LinkButton label={say.allow} href={`/admin/relay/requests/${one.id}/allow`} compact />
        <LinkButton label={say.refuse} href={`/admin/relay/requests/${one.id}/refuse`} compact />
      </span>
    ),
};

export function RelayRequestsPage() {
  const { can } = useSession();
  const [{ state }, filter] = useFilters('state');
  const pages = usePages(`relay requests ${state}`, (page) =>
    call('GET /relay/requests', { query: { ...page, state: (state || undefined) as State | undefined } }),
  );
  return (
    <Page title={say.requests} up={relayHome}>
      <RelayTabs current="/admin/relay/requests" />
      <search class="filters">
        <FilterSelect
          label={say.state}
          value={state}
          options={[
            { value: '', label: say.anyVerdict },
            ...states.map((value) => ({ value, label: say.requestStates[value] })),
          ]}
          onFilter={(value) => filter('state', value)}
        />
      </search>
      <PagedTable
        caption={say.requests}
        pages={pages}
        keyOf={(one) => one.id}
        empty={
          state === '' || state === 'open' ? (
            <Empty title={say.noRequests} text={say.noRequestsText} />
          ) : (
            <Empty title={say.noRequestFits} />
          )
        }
        columns={[
          {
            title: say.wanted,
            cell: (one) => (
              <span class="row-link">
                {one.sender}
                <small>{one.application}</small>
              </span>
            ),
            breaks: true,
          },
          {
            title: say.state,
            cell: (one) => (
              <span class="outcomes">
                <Badge tone={tones[one.state]} label={say.requestStates[one.state]} />
                <small class="muted">
                  <Time at={one.decidedAt ?? one.askedAt} />
                </small>
              </span>
            ),
          },
          {
            title: say.person,
            cell: (one) =>
              one.person ? (
                <a href={`/admin/people/${one.person.id}`}>{one.person.displayName}</a>
              ) : (
                say.someone
              ),
            roomy: true,
          },
          { title: say.note, cell: (one) => <Said wish={one} />, breaks: true, wide: true },
          ...(can('relay.write') ? [doing] : []),
        ]}
      />
    </Page>
  );
}

/** What was asked, and what was answered. */
function Said({ wish: { note, answer } }: { wish: Wish }) {
  return (
    <>
      {note && <span dir="auto">{note}</span>}
      {answer && <small class="muted">{say.answered(answer)}</small>}
    </>
  );
}

/** /admin/relay/requests/:id/:decision */
export function RelayRequestDecision({ id, decision }: { id: string; decision: string }) {
  const { data, error } = useLoad('relay requests open', () =>
    call('GET /relay/requests', { query: { state: 'open', limit: 200 } }),
  );
  const apps = useLoad('relay apps', () => call('GET /relay/apps'));
  const fault = error ?? apps.error;
  if (fault)
    return (
      <Page title={say.requests} up={all}>
        <Refused error={fault} />
      </Page>
    );
  if (!data || !apps.data) return null;
  const wish = data.items.find((one) => one.id === id);
  if (!wish)
    return (
      <Page title={say.requests} up={all}>
        <Empty title={say.requestGone} text={say.requestGoneText} action={all} />
      </Page>
    );
  return <Decision wish={wish} apps={apps.data.items} isYes={decision === 'allow'} />;
}

type App = Answer<'GET /relay/apps'>['items'][number];

function Decision({ wish, apps, isYes }: { wish: Wish; apps: readonly App[]; isYes: boolean }) {
  const { route } = useLocation();
  const [chosen, setChosen] = useState<string>();
  const [answer, setAnswer] = useState('');
  /** Why a yes would let in nothing more; then nothing was changed, and nobody was answered. */
  const [why, setWhy] = useState<string>();
  const [missing, setMissing] = useState(false);
  // Whose mail it would be is never guessed: it would be let in as any app that stands first.
  const only = apps.length === 1 ? apps[0]?.application : undefined;
  const app = chosen ?? wish.application ?? only ?? '';
  const begins = apps.find((one) => one.application === app && !one.settings);
  const decide = async () => {
    const said = answer.trim() === '' ? {} : { answer: answer.trim() };
    const params = { id: wish.id };
    setWhy(undefined);
    if (isYes && app === '') {
      setMissing(true);
      return false;
    }
    if (isYes) {
      const body = { application: app, ...said };
      const decided = await call('POST /relay/requests/:id/allow', { params, body });
      setWhy(decided.why);
      if (!decided.added) return false;
    } else await call('POST /relay/requests/:id/refuse', { params, body: said });
    route(all.href);
    return true;
  };
  return (
    <ConfirmPage
      title={isYes ? say.allowTitle(wish.sender) : say.refuseTitle(wish.sender)}
      up={all}
      act={isYes ? say.allow : say.refuse}
      danger={isYes}
      elevated={isYes}
      fields={
        <>
          {why && (
            <Notice tone="warning" title={say.notAdded} live>
              <p>{why}</p>
            </Notice>
          )}
          {isYes && (
            <SelectField
              name="application"
              label={say.allowApp}
              value={app}
              options={[
                ...(app === '' ? [{ value: '', label: say.chooseApp }] : []),
                ...apps.map((one) => ({ value: one.application, label: one.title })),
              ]}
              error={missing && app === '' ? say.appMissing : undefined}
              onInput={setChosen}
              required
            />
          )}
          {isYes && begins && <Notice tone="warning">{say.allowBegins(begins.title)}</Notice>}
          <TextField
            name="answer"
            label={say.theAnswer}
            help={say.answerHelp}
            value={answer}
            onInput={setAnswer}
            maxLength={500}
            long
          />
        </>
      }
      onConfirm={decide}
    >
      <p>{isYes ? say.allowText : say.refuseText}</p>
      {wish.person && <p class="small">{say.askedBy(wish.person.displayName, wish.person.username)}</p>}
      {wish.note && (
        <p class="small" dir="auto">
          {say.askedBecause(wish.note)}
        </p>
      )}
    </ConfirmPage>
  );
}
