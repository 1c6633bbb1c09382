/** What a target holds for one person, asked of it right now; and making a link whole that lost the account behind it. */
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { written } from '#consoles/admin/web/parts/verdict.tsx';
import { recordWords, strangerWords } from '#consoles/admin/web/words-target-people.ts';
import { AskedThere, pathTo } from './asked-there.tsx';
import { useSubject } from './target-subject.tsx';

const say = recordWords;
type Held = Answer<'POST /targets/:id/records'>;

/** /admin/targets/:id/people/:subject/records */
export function SubjectRecords({ id, subject }: { id: string; subject: string }) {
  const { thing } = useSubject(id, subject);
  const asked = useLoad(`records ${id} ${subject}`, () =>
    call('POST /targets/:id/records', { params: { id }, body: { person: thing } }),
  );
  const again = { id: 'ask-again', label: say.askAgain };
  return (
    <AskedThere {...{ id, subject, asked, again }} up={say.timeline} failed={say.failed}>
      {(held) => <HeldThere id={id} subject={subject} held={held} />}
    </AskedThere>
  );
}

function HeldThere({ id, subject, held }: { id: string; subject: string; held: Held }) {
  const { account, records, lost } = held;
  if (!account) return <Empty title={say.nothing} text={say.nothingText} />;
  return (
    <>
      {lost && (
        <Notice tone="warning" title={say.lost}>
          <p>{lost}</p>
          <p class="actions">
            <LinkButton
              id="link-again"
              label={say.again}
              href={`${pathTo(id, subject)}/link-again`}
              compact
            />
          </p>
        </Notice>
      )}
      <Section
        title={say.account}
        action={
          <Badge
            tone={account.active ? 'success' : 'neutral'}
            label={account.active ? strangerWords.on : strangerWords.off}
          />
        }
      >
        <Facts
          facts={[
            { name: strangerWords.id, value: '', copy: account.id },
            ...(account.accountId ? [{ name: say.behind, value: '', copy: account.accountId }] : []),
            { name: strangerWords.externalId, value: account.externalId },
            ...Object.entries(account.attributes).map(([name, value]) => ({ name, value: written(value) })),
          ]}
        />
        <p class="muted small">{say.hint}</p>
      </Section>
      {records && <Records records={records} mine={account.id} />}
    </>
  );
}

function Records({ records, mine }: { records: NonNullable<Held['records']>; mine: string }) {
  return (
    <Section title={say.records}>
      {records.length === 0 ? (
        <Empty title={say.noRecords} />
      ) : (
        <Table
          caption={say.records}
          rows={records}
          keyOf={({ directoryId, scimUserId }) => `${directoryId} ${scimUserId}`}
          columns={[
            {
              title: say.record,
              // One column: beside the id an address would be cut.
              cell: ({ scimUserId, email }) => (
                <>
                  <code>{scimUserId}</code> {scimUserId === mine && <Badge tone="info" label={say.ours} />}
                  <br />
                  <span class="muted">{email}</span>
                </>
              ),
              breaks: true,
            },
            { title: say.directory, cell: ({ directoryId }) => <code>{directoryId}</code>, wide: true },
          ]}
        />
      )}
    </Section>
  );
}

/** /admin/targets/:id/people/:subject/link-again */
export function SubjectLinkAgain({ id, subject }: { id: string; subject: string }) {
  const { route } = useLocation();
  const { name, thing } = useSubject(id, subject);
  const up = { href: pathTo(id, subject), label: name };
  return (
    <ConfirmPage
      title={say.againTitle(name)}
      up={up}
      act={say.again}
      elevated
      onConfirm={async () => {
        await call('POST /targets/:id/link-again', { params: { id }, body: { person: thing } });
        route(up.href);
      }}
    >
      <p>{say.againText}</p>
    </ConfirmPage>
  );
}
