/** What is known of a person: names, addresses, the community's own fields, groups, and what each app calls them. */
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import type { Person } from './person.tsx';
import { PersonLinks } from './person-links.tsx';

const say = words.personPage;

export function PersonProfile({ person }: { person: Person }) {
  return (
    <div class="two">
      <div class="stack">
        <Who person={person} />
        <Apps person={person} />
      </div>
      <div class="stack">
        <Addresses id={person.id} />
        <Groups groups={person.groups} />
        <Attributes person={person} />
        <PersonLinks id={person.id} />
      </div>
    </div>
  );
}

function Who({ person }: { person: Person }) {
  return (
    <Section title={say.who}>
      <Facts
        facts={[
          { name: say.username, value: '', copy: person.username },
          { name: say.givenName, value: person.givenName },
          { name: say.familyName, value: person.familyName },
          { name: say.locale, value: person.locale },
          { name: say.origin, value: person.origin },
          { name: say.joined, value: <Time at={person.createdAt} /> },
          { name: say.since, value: <Time at={person.stateSince} /> },
          { name: say.changed, value: <Time at={person.updatedAt} /> },
          {
            name: say.mergedInto,
            value: person.mergedInto && (
              <a href={`/admin/people/${person.mergedInto}`}>{person.mergedInto}</a>
            ),
          },
          { name: say.id, value: '', copy: person.id },
        ]}
      />
    </Section>
  );
}

function Addresses({ id }: { id: string }) {
  const { data, error, slow } = useLoad(`addresses ${id}`, () =>
    call('GET /people/:id/addresses', { params: { id } }),
  );
  return (
    <Section title={say.addresses}>
      {error && <Refused error={error} />}
      {slow && <Skeleton rows={2} />}
      <ul class="lines">
        {data?.items.map((one) => (
          <li key={one.id}>
            <span class="what">{one.address}</span>
            <span class="row">
              {one.primary && <Badge tone="info" label={say.main} />}
              {one.verifiedAt ? (
                <Badge tone="success" label={say.confirmed} />
              ) : (
                <Badge tone="neutral" label={say.unconfirmed} />
              )}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Groups({ groups }: { groups: Person['groups'] }) {
  return (
    <Section title={say.groups}>
      {groups.length === 0 ? (
        <p class="muted small">{say.noGroups}</p>
      ) : (
        <ul class="chips">
          {groups.map((one) => (
            <li key={one.id}>
              <a href={`/admin/groups/${one.id}`}>{one.name}</a>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Apps({ person }: { person: Person }) {
  const { can } = useSession();
  const apps = useLoad('applications', () => call('GET /applications'));
  const aliases = useLoad(can('aliases.read') ? `aliases ${person.id}` : undefined, () =>
    call('GET /people/:id/aliases', { params: { id: person.id } }),
  );
  const error = apps.error ?? aliases.error;
  const names = new Map(aliases.data?.items.map((one) => [one.application, one.alias]));
  return (
    <Section title={say.apps}>
      {error && <Refused error={error} />}
      {apps.slow && <Skeleton rows={3} />}
      {apps.data?.items.length === 0 && <p class="muted small">{say.noApps}</p>}
      <ul class="lines">
        {apps.data?.items.map((one) => (
          <li key={one.id}>
            <a class="what" href={`/admin/apps/${one.id}`}>
              {String(one.settings.title)}
            </a>
            {names.has(one.id) ? (
              <span>
                {say.calledHere} <strong>{names.get(one.id)}</strong>
              </span>
            ) : (
              <span class="more">{say.byRule}</span>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Attributes({ person }: { person: Person }) {
  const { can } = useSession();
  const declared = useLoad(can('community.read') ? 'attributes' : undefined, () => call('GET /attributes'));
  const titles = new Map(declared.data?.items.map((one) => [String(one.name), String(one.title)]));
  const facts = Object.entries(person.attributes).map(([name, value]) => ({
    name: titles.get(name) ?? name,
    value: typeof value === 'boolean' ? (value ? words.yes : words.no) : String(value),
  }));
  return (
    <Section title={say.attributes}>
      {facts.length === 0 ? <p class="muted small">{say.noAttributes}</p> : <Facts facts={facts} />}
    </Section>
  );
}
