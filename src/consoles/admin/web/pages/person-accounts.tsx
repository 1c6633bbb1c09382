/** `/admin/people/:id/accounts`: was this person pushed? Their account at each target, its state, and the way on. */
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLive, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { accountWords } from '#consoles/admin/web/words-accounts.ts';
import { recordWords } from '#consoles/admin/web/words-target-people.ts';
import { type Entry, lastTelling, PlainBadge } from './target-subject.tsx';

const say = accountWords;
type Target = Answer<'GET /targets'>['items'][number];

/** What is known of one subject at every target that may be looked at: the last thing that happened there. */
function useAccounts(subject: string, concerns: (target: Target) => boolean) {
  return useLoad(`accounts ${subject}`, async () => {
    const { items } = await call('GET /targets');
    return Promise.all(
      items.filter(concerns).map(async (target) => {
        const { items: entries } = await call('GET /targets/:id/timeline', {
          params: { id: target.application },
          query: { subject, limit: 10 },
        });
        return { target, last: lastTelling(entries) };
      }),
    );
  });
}

export function PersonAccounts({ id }: { id: string }) {
  return <Accounts subject={`person:${id}`} title={say.title} none={say.nonePerson} concerns={() => true} />;
}

/** A group is at those targets that are given groups. */
export function GroupAccounts({ id, name }: { id: string; name: string }) {
  const concerns = ({ settings }: Target) =>
    settings.groups === 'all' || (Array.isArray(settings.groups) && settings.groups.includes(name));
  return <Accounts subject={`group:${id}`} title={say.groupTitle} none={say.noneGroup} concerns={concerns} />;
}

function Accounts(props: {
  subject: string;
  title: string;
  none: string;
  concerns(target: Target): boolean;
}) {
  const { subject, title, none, concerns } = props;
  const { data, error, slow, reload } = useAccounts(subject, concerns);
  useLive(reload, 5);
  return (
    <Section title={title}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={3} />}
      {data?.length === 0 && <Empty title={none} />}
      {data && data.length > 0 && (
        <ul class="lines">
          {data.map(({ target, last }) => (
            <Account key={target.application} target={target} subject={subject} last={last} onSent={reload} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function Account(props: { target: Target; subject: string; last?: Entry; onSent(): void }) {
  const { target, subject, last, onSent } = props;
  const { can } = useSession();
  const id = target.application;
  const again = useAct(async () => {
    await call('POST /targets/:id/replay', { params: { id }, body: { subject } });
    onSent();
  });
  return (
    <li>
      <div class="account-there">
        <a class="what" href={`/admin/targets/${id}/people/${subject}`}>
          {target.title}
        </a>
        {last ? (
          <span class="more">
            {last.text} <Time at={last.at} />
          </span>
        ) : (
          <span class="more">{target.mode === 'off' ? say.off : say.nothing}</span>
        )}
        {again.refusal && <Refused error={again.refusal} />}
      </div>
      <div class="row">
        {last && <PlainBadge kind={last.kind} />}
        {can('targets.write', id) && subject.startsWith('person:') && (
          <LinkButton
            label={recordWords.open}
            describe={recordWords.openAt(target.title)}
            href={`/admin/targets/${id}/people/${subject}/records`}
            kind="quiet"
            compact
          />
        )}
        {can('targets.write', id) && (
          <Button
            label={say.replay}
            describe={say.replayAt(target.title)}
            kind="quiet"
            compact
            busy={again.busy}
            onClick={again.act}
          />
        )}
      </div>
    </li>
  );
}
