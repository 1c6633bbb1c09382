/** `/admin/groups/:id`: what a group is, and who belongs to it. */
import { useState } from 'preact/hooks';
import { call, Refusal } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { GroupAccounts } from './person-accounts.tsx';
import { findByUsername, useUsernames } from './usernames.ts';

const say = words.groupsPage;

interface Member {
  person: string;
  username: string;
  displayName: string;
  since: string;
}

export function GroupPage({ id }: { id: string }) {
  const { can, canSomewhere } = useSession();
  const {
    data: group,
    error,
    slow,
    reload,
  } = useLoad(`group ${id}`, () => call('GET /groups/:id', { params: { id } }));
  const members = usePages(`members ${id}`, (page) =>
    call('GET /groups/:id/members', { params: { id }, query: page }),
  );
  const [refusal, setRefusal] = useState<Refusal>();
  const up = { href: '/admin/groups', label: words.groups };
  if (!group)
    return (
      <Page title={words.groups} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={6} />}
      </Page>
    );
  const mayChange = can('groups.write');
  const takeOut = async (person: string) => {
    setRefusal(undefined);
    try {
      await call('DELETE /groups/:id/members/:person', { params: { id, person } });
      members.reload();
    } catch (one) {
      if (one instanceof Refusal) setRefusal(one);
      else throw one;
    }
  };
  return (
    <Page
      title={group.name}
      up={up}
      lede={[group.title, group.description].filter((text) => text && text !== group.name).join(' · ')}
      actions={
        mayChange && (
          <LinkButton id="remove-group" label={say.remove} href={`/admin/groups/${id}/remove`} compact />
        )
      }
    >
      {mayChange && <AddMember group={id} onAdded={members.reload} />}
      {canSomewhere('targets.read') && <GroupAccounts id={id} name={group.name} />}
      <Section title={say.membersTitle}>
        {refusal && <Refused error={refusal} />}
        <PagedTable
          caption={say.membersTitle}
          pages={members}
          keyOf={(one) => one.person}
          empty={<Empty title={say.noMembers} />}
          columns={memberColumns(mayChange ? takeOut : undefined)}
        />
      </Section>
    </Page>
  );
}

function memberColumns(takeOut?: (person: string) => Promise<void>): Column<Member>[] {
  const columns: Column<Member>[] = [
    {
      title: say.person,
      cell: (one) => (
        <a href={`/admin/people/${one.person}`}>
          <span dir="auto">{one.displayName}</span> <small class="muted">{one.username}</small>
        </a>
      ),
    },
    { title: say.since, cell: (one) => <Time at={one.since} /> },
  ];
  if (takeOut)
    columns.push({
      title: words.doing,
      does: true,
      cell: (one) => (
        <Button
          label={say.takeOut}
          describe={say.takeOutOf(one.username)}
          kind="quiet"
          compact
          onClick={() => void takeOut(one.person)}
        />
      ),
    });
  return columns;
}

function AddMember({ group, onAdded }: { group: string; onAdded(): void }) {
  const [username, setUsername] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const suggestions = useUsernames(username);
  const add = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const person = await findByUsername(username);
      if (!person) setError(say.memberUnknown);
      else {
        await call('POST /groups/:id/members', { params: { id: group }, body: { people: [person.id] } });
        setUsername('');
        onAdded();
      }
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setError(refused.message);
    }
    setBusy(false);
  };
  return (
    <Section title={say.addMember}>
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <TextField
          name="member"
          label={say.memberField}
          help={say.memberHelp}
          value={username}
          onInput={setUsername}
          suggestions={suggestions}
          error={error}
          literal
          required
        />
        <Button id="add-member" label={say.addMemberAct} kind="quiet" busy={busy} />
      </form>
    </Section>
  );
}
