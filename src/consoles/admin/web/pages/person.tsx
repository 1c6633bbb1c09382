/** `/admin/people/:id`: who someone is, where they are signed in, what happened. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { StateBadge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Skeleton, Tabs } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { accountWords, eraseWords } from '#consoles/admin/web/words-accounts.ts';
import { entryWords } from '#consoles/admin/web/words-refusals.ts';
import { relayWords } from '#consoles/admin/web/words-relay.ts';
import { PersonAccounts } from './person-accounts.tsx';
import { PersonEntry } from './person-entry.tsx';
import { PersonMailOfApps } from './person-mail.tsx';
import { PersonSignIns, PersonTimeline } from './person-past.tsx';
import { PersonProfile } from './person-profile.tsx';

const say = words.personPage;
export type Person = Answer<'GET /people/:id'>;
export type Standing = keyof typeof words.standing & ('active' | 'locked' | 'suspended' | 'spam' | 'left');

/** What may follow a state; the API knows the whole table and has the last word. */
export function standingsAfter(state: Person['state']): Standing[] {
  if (state === 'erased' || state === 'merged') return [];
  const away: Standing[] = ['locked', 'suspended', 'spam', 'left'];
  if (state === 'active') return away;
  if (state === 'unverified') return ['spam'];
  return ['active'];
}

/** Nothing is left to erase of whoever was erased or merged. */
export const mayErase = (state: Person['state']) => state !== 'erased' && state !== 'merged';

export function PersonPage({ id, view }: { id: string; view?: string }) {
  const { can, canSomewhere } = useSession();
  const {
    data: person,
    error,
    slow,
    reload,
  } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  const up = { href: '/admin/people', label: words.people };
  if (!person)
    return (
      <Page title={words.people} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={8} />}
      </Page>
    );
  const base = `/admin/people/${id}`;
  const tabs = [
    { href: base, label: say.profile },
    { href: `${base}/sign-ins`, label: say.signIns },
    ...(canSomewhere('targets.read') ? [{ href: `${base}/accounts`, label: accountWords.tab }] : []),
    { href: `${base}/entry`, label: entryWords.tab },
    { href: `${base}/mail`, label: relayWords.ofPerson },
    ...(can('events.read') ? [{ href: `${base}/timeline`, label: say.timeline }] : []),
  ];
  return (
    <Page
      title={person.displayName}
      up={up}
      badge={<StateBadge state={person.state} />}
      lede={person.username}
      actions={
        can('standing.write') && (
          <>
            {standingsAfter(person.state).map((state) => (
              <LinkButton
                key={state}
                id={`to-${state}`}
                href={`${base}/standing/${state}`}
                label={words.standing[state].act}
                kind={state === 'active' ? 'primary' : 'quiet'}
                compact
              />
            ))}
            {mayErase(person.state) && (
              <LinkButton id="erase" href={`${base}/erase`} label={eraseWords.act} compact />
            )}
          </>
        )
      }
    >
      {person.state !== 'active' && person.stateReason && (
        <Notice tone="warning" title={`${say.reason}: ${person.stateReason}`}>
          <p>
            {say.since} <Time at={person.stateSince} />
          </p>
        </Notice>
      )}
      <Tabs label={say.views} items={tabs} current={view ? `${base}/${view}` : base} />
      <View person={person} view={view} />
    </Page>
  );
}

function View({ person, view }: { person: Person; view?: string }) {
  if (view === 'sign-ins') return <PersonSignIns person={person} />;
  if (view === 'accounts') return <PersonAccounts id={person.id} />;
  if (view === 'entry') return <PersonEntry id={person.id} />;
  if (view === 'mail') return <PersonMailOfApps id={person.id} />;
  if (view === 'timeline') return <PersonTimeline id={person.id} />;
  return <PersonProfile person={person} />;
}
