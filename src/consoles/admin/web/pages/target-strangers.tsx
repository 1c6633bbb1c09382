/** `/admin/targets/:id/strangers`: accounts there that belong to nobody here, and what is to become of one of them. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { FilterField, FilterSelect, TextField } from '#consoles/admin/web/parts/fields.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { written } from '#consoles/admin/web/parts/verdict.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { strangerWords } from '#consoles/admin/web/words-target-people.ts';
import { useFilters } from './filters.ts';
import { findByUsername, useUsernames } from './usernames.ts';

const say = strangerWords;
type Stranger = Answer<'GET /targets/:id/strangers'>['items'][number];
type Decision = keyof typeof say.decisions;

const tones: Record<Decision, Tone> = {
  none: 'info',
  ignore: 'neutral',
  remove: 'warning',
  adopt: 'success',
};
const nameOf = ({ attributes, remoteId }: Stranger) =>
  written(attributes.displayName) ?? written(attributes.userName) ?? remoteId;
const pathOf = (id: string, { remoteId }: Stranger) =>
  `/admin/targets/${id}/stranger/${encodeURIComponent(remoteId)}`;

export function TargetStrangers({ id }: { id: string }) {
  const [{ search, decision }, filter] = useFilters('search', 'decision');
  const wanted = (Object.keys(say.decisions) as Decision[]).find((one) => one === decision);
  const pages = usePages(`strangers ${id} ${search} ${wanted}`, (page) =>
    call('GET /targets/:id/strangers', { params: { id }, query: { search, decision: wanted, ...page } }),
  );
  return (
    <>
      <p class="muted small measure">{say.text}</p>
      <search class="filters">
        <FilterField label={say.filter} value={search} onFilter={(value) => filter('search', value)} />
        <FilterSelect
          label={say.decision}
          value={decision}
          onFilter={(value) => filter('decision', value)}
          options={[
            { value: '', label: say.any },
            ...(['none', 'ignore', 'remove'] as const).map((value) => ({
              value,
              label: say.decisions[value],
            })),
          ]}
        />
      </search>
      <PagedTable
        caption={say.title}
        pages={pages}
        keyOf={(one) => one.remoteId}
        empty={
          search || wanted ? <Empty title={say.nothing} /> : <Empty title={say.none} text={say.noneText} />
        }
        columns={[
          {
            title: say.account,
            cell: (one) => (
              <a class="row-link" href={pathOf(id, one)}>
                <span dir="auto">{nameOf(one)}</span>
                <small>{written(one.attributes.userName) ?? one.remoteId}</small>
              </a>
            ),
          },
          { title: say.address, cell: (one) => written(one.attributes.email), breaks: true, roomy: true },
          {
            title: say.active,
            cell: (one) => (
              <Badge tone={one.active ? 'success' : 'neutral'} label={one.active ? say.on : say.off} />
            ),
            wide: true,
          },
          {
            title: say.decision,
            cell: (one) => (
              <Badge tone={tones[one.decision ?? 'none']} label={say.decided[one.decision ?? 'none']} />
            ),
          },
          { title: say.seen, cell: (one) => <Time at={one.seenAt} />, wide: true },
        ]}
      />
    </>
  );
}

/** One of them, wherever it stands in the list. */
async function findStranger(id: string, remoteId: string): Promise<Stranger | undefined> {
  const { items } = await call('GET /targets/:id/strangers', {
    params: { id },
    query: { search: remoteId, limit: 200 },
  });
  return items.find((one) => one.remoteId === remoteId);
}

type Act = keyof typeof say.acts;

/** /admin/targets/:id/stranger/:remote */
export function StrangerPage({ id, remote }: { id: string; remote: string }) {
  const { can } = useSession();
  const { data, error, slow } = useLoad(`stranger ${id} ${remote}`, async () => ({
    found: await findStranger(id, remote),
  }));
  const up = { href: `/admin/targets/${id}/strangers`, label: say.title };
  const stranger = data?.found;
  if (!stranger)
    return (
      <Page title={say.title} up={up}>
        {error && <Refused error={error} />}
        {slow && <Skeleton rows={5} />}
        {data && (
          <Empty title={say.notFound} text={say.notFoundText} action={{ label: say.title, href: up.href }} />
        )}
      </Page>
    );
  const facts = <StrangerFacts id={id} stranger={stranger} />;
  if (!can('targets.write', id))
    return (
      <Page title={nameOf(stranger)} up={up}>
        <section class="card narrow">{facts}</section>
      </Page>
    );
  return <StrangerDecision id={id} stranger={stranger} up={up} facts={facts} />;
}

function StrangerFacts({ id, stranger }: { id: string; stranger: Stranger }) {
  const { remoteId, externalId, accountId, active, attributes, seenAt, decision } = stranger;
  return (
    <>
      <Facts
        facts={[
          { name: say.id, value: '', copy: remoteId },
          { name: say.externalId, value: externalId },
          { name: say.accountId, value: accountId },
          { name: say.active, value: active ? say.on : say.off },
          ...Object.entries(attributes).map(([name, value]) => ({ name, value: written(value) })),
          { name: say.decision, value: say.decided[decision ?? 'none'] },
          { name: say.seen, value: <Time at={seenAt} /> },
        ]}
      />
      <p class="small">
        <a href={`/admin/targets/${id}/people/${encodeURIComponent(`stranger:${remoteId}`)}`}>
          {say.timeline}
        </a>
      </p>
    </>
  );
}

function StrangerDecision(props: {
  id: string;
  stranger: Stranger;
  up: { href: string; label: string };
  facts: preact.ComponentChildren;
}) {
  const { id, stranger, up, facts } = props;
  const { route } = useLocation();
  const [act, setAct] = useState<Act>('ignore');
  const [username, setUsername] = useState(written(stranger.attributes.userName) ?? '');
  const [unknown, setUnknown] = useState(false);
  const suggestions = useUsernames(username);
  const options: { value: Act; label: string; help: string }[] = [
    { value: 'adopt', label: say.adopt, help: say.adoptHelp },
    { value: 'ignore', label: say.ignore, help: say.ignoreHelp },
    { value: 'remove', label: say.remove, help: say.removeHelp },
    ...(stranger.decision
      ? [{ value: 'undecided' as const, label: say.undecided, help: say.undecidedHelp }]
      : []),
  ];
  const send = async () => {
    let person: string | undefined;
    if (act === 'adopt') {
      person = (await findByUsername(username))?.id;
      setUnknown(person === undefined);
      if (person === undefined) return false;
    }
    await call('POST /targets/:id/strangers', {
      params: { id },
      body: { remoteId: stranger.remoteId, decision: act, ...(person !== undefined && { person }) },
    });
    const plan = act === 'remove' ? `/admin/targets/${id}/plan` : undefined;
    route(person ? `/admin/targets/${id}/people/person:${person}` : (plan ?? up.href));
    return true;
  };
  return (
    <ConfirmPage
      title={nameOf(stranger)}
      up={up}
      act={say.acts[act]}
      danger={act === 'remove'}
      elevated
      fields={
        <>
          <RadioField
            name="decision"
            label={say.decide}
            value={act}
            options={options}
            onInput={(value: Act) => setAct(value)}
          />
          {act === 'adopt' && (
            <TextField
              name="person"
              label={say.person}
              value={username}
              onInput={setUsername}
              suggestions={suggestions}
              error={unknown ? say.personUnknown : undefined}
              literal
              required
            />
          )}
        </>
      }
      onConfirm={send}
    >
      {facts}
    </ConfirmPage>
  );
}
