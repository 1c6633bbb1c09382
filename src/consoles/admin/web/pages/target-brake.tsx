/** The brake of a target: what it holds, why, and the decision, which asks for a recent sign-in. */
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { count, Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { targetWords } from '#consoles/admin/web/words-targets.ts';
import { Subject } from './target-queue.tsx';

const say = targetWords;
type Brake = Answer<'GET /targets/:id/brake'>;
const useBrake = (id: string) =>
  useLoad(`brake ${id}`, () => call('GET /targets/:id/brake', { params: { id } }));

export function TargetBrake({ id }: { id: string }) {
  const { can } = useSession();
  const { data, error, slow, reload } = useBrake(id);
  if (error) return <Refused error={error} retry={reload} />;
  if (!data) return slow ? <Skeleton rows={6} /> : null;
  const { engaged, held, removals, limits, names } = data;
  const mayDecide = held.length > 0 && can('targets.write', id);
  return (
    <>
      {engaged ? (
        <Notice tone="danger" title={say.engaged}>
          <p>
            {engaged.why} <Time at={engaged.since} />
          </p>
        </Notice>
      ) : (
        <Notice tone="success">{say.notEngaged}</Notice>
      )}
      <Section
        title={say.heldTitle}
        action={
          mayDecide && (
            <div class="actions">
              <LinkButton
                id="approve"
                label={say.approve(count(held.length))}
                href={`/admin/targets/${id}/decide/approve`}
                kind="danger"
                compact
              />
              <LinkButton
                id="refuse"
                label={say.refuse(count(held.length))}
                href={`/admin/targets/${id}/decide/refuse`}
                compact
              />
            </div>
          )
        }
      >
        {held.length === 0 ? (
          <Empty title={say.nothingHeld} />
        ) : (
          <Table
            caption={say.heldTitle}
            rows={held}
            keyOf={(one) => one.subject}
            columns={[
              {
                title: say.subject,
                cell: (one) => <Subject target={id} subject={one.subject} names={names} />,
              },
              { title: say.verdict, cell: (one) => <Badge tone="warning" label={one.verdict} /> },
              { title: say.why, cell: (one) => one.why, breaks: true },
              { title: say.since, cell: (one) => <Time at={one.since} />, wide: true },
            ]}
          />
        )}
      </Section>
      <Limits limits={limits} removed={removals.length} />
    </>
  );
}

function Limits({ limits, removed }: { limits: Brake['limits']; removed: number }) {
  return (
    <Section title={say.limits}>
      <Facts
        facts={[
          { name: say.limitCount, value: count(limits.count) },
          { name: say.limitShare, value: `${Math.round(limits.share * 100)} %` },
          { name: say.limitWindow, value: say.minutes(count(limits.windowMinutes)) },
          { name: say.accounts, value: count(limits.accounts) },
          { name: say.removed, value: count(removed) },
        ]}
      />
    </Section>
  );
}

/** /admin/targets/:id/decide/:answer */
export function BrakeDecision({ id, answer }: { id: string; answer: string }) {
  const { route } = useLocation();
  const { data, error } = useBrake(id);
  const up = { href: `/admin/targets/${id}/brake`, label: say.brake };
  if (error) return <Refused error={error} />;
  if (!data) return null;
  const many = data.held.length;
  const approves = answer === 'approve';
  const subjects = data.held.map(({ subject }) => subject);
  return (
    <ConfirmPage
      title={approves ? say.approveTitle(count(many)) : say.refuseTitle(count(many))}
      up={up}
      act={approves ? say.approve(count(many)) : say.refuse(count(many))}
      danger={approves}
      elevated
      expect={approves ? { label: say.approveExpect, text: String(many) } : undefined}
      onConfirm={async () => {
        // Those that were seen, not those that came since.
        await call('POST /targets/:id/brake', {
          params: { id },
          body: approves ? { approve: subjects } : { refuse: subjects },
        });
        route(up.href);
      }}
    >
      <p>{approves ? say.approveText : say.refuseText}</p>
    </ConfirmPage>
  );
}
