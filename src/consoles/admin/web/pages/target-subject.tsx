/** `/admin/targets/:id/people/:subject`: was it pushed? Where it stands, and everything that happened to it there. */
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLive, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Icon, type Tone, toneClass } from '#consoles/admin/web/parts/icons.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { Timeline } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { subjectWords } from '#consoles/admin/web/words-plan.ts';
import { recordWords } from '#consoles/admin/web/words-target-people.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';

const say = subjectWords;
export type Entry = Answer<'GET /targets/:id/timeline'>['items'][number];

export type Plain = keyof typeof say.answers;
const plainTones: Record<Plain, Tone> = {
  there: 'success',
  waiting: 'info',
  stuck: 'danger',
  decision: 'warning',
  none: 'neutral',
};

/** The plain answer, from the last thing that happened; the account page says the same. */
export function plainOf(kind: string): Plain {
  if (kind === 'settled' || kind === 'seen-equal') return 'there';
  if (kind === 'proposed' || kind === 'held') return 'decision';
  if (['refused', 'problem', 'dead', 'rejected'].includes(kind)) return 'stuck';
  return kind === 'forgotten' ? 'none' : 'waiting';
}

/** The latest entry that says how it stands: a request on the way to an answer does not. */
export const lastTelling = (items: readonly Entry[]): Entry | undefined =>
  items.find((one) => one.kind !== 'answered') ?? items[0];

export function PlainBadge({ kind }: { kind: string }) {
  const plain = plainOf(kind);
  return <Badge tone={plainTones[plain]} label={say.answers[plain]} />;
}

const entryTones: readonly (readonly [RegExp, Tone])[] = [
  [/^(?:settled|seen-equal|approved)$/, 'success'],
  [/^(?:unanswered|retry|held|proposed)$/, 'warning'],
  [/^(?:refused|problem|dead|rejected)$/, 'danger'],
  [/^(?:answered|queued|replayed)$/, 'info'],
];

/** What one person, group or account of nobody is called, and where more of it stands. */
export function useSubject(id: string, subject: string) {
  const { can } = useSession();
  const [kind = '', thing = ''] = subject.split(/:(.*)/s, 2);
  const person = useLoad(kind === 'person' && can('people.read') ? `person ${thing}` : undefined, () =>
    call('GET /people/:id', { params: { id: thing } }),
  );
  const group = useLoad(kind === 'group' && can('groups.read') ? `group ${thing}` : undefined, () =>
    call('GET /groups/:id', { params: { id: thing } }),
  );
  const links: Record<string, { href: string; label: string }> = {
    person: { href: `/admin/people/${thing}`, label: say.profile },
    group: { href: `/admin/groups/${thing}`, label: say.groupPage },
    stranger: {
      href: `/admin/targets/${id}/stranger/${encodeURIComponent(thing)}`,
      label: say.strangerPage,
    },
  };
  const name = person.data?.displayName ?? group.data?.name ?? (thing || subject);
  return { kind, thing, name, username: person.data?.username, link: links[kind] };
}

export function TargetSubject({ id, subject }: { id: string; subject: string }) {
  const { can } = useSession();
  const { kind, name, username, link } = useSubject(id, subject);
  const pages = usePages(`target timeline ${id} ${subject}`, (page) =>
    call('GET /targets/:id/timeline', { params: { id }, query: { subject, ...page } }),
  );
  useLive(pages.reload, 3);
  const again = useAct(async () => {
    await call('POST /targets/:id/replay', { params: { id }, body: { subject } });
    pages.reload();
  });
  const { items, error, slow, hasMore, busy, more } = pages;
  const here = `/admin/targets/${id}/people/${encodeURIComponent(subject)}`;
  const mayWork = can('targets.write', id);
  const telling = lastTelling(items ?? []);
  return (
    <>
      <div class="row spread">
        <div class="row">
          <h2 class="subject" dir="auto">
            {link ? <a href={link.href}>{name}</a> : name}
          </h2>
          {username && username !== name && <span class="muted">{username}</span>}
          {telling && <PlainBadge kind={telling.kind} />}
        </div>
        {mayWork && (
          <div class="actions">
            {kind === 'person' && (
              <LinkButton id="records" label={recordWords.open} href={`${here}/records`} compact />
            )}
            {kind === 'person' && <LinkButton id="look" label={say.look} href={`${here}/look`} compact />}
            {kind === 'person' && (
              <LinkButton id="relink" label={say.relink} href={`${here}/relink`} compact />
            )}
            {kind !== 'stranger' && kind !== 'target' && (
              <Button
                id="replay"
                label={say.replay}
                kind="quiet"
                compact
                busy={again.busy}
                onClick={again.act}
              />
            )}
          </div>
        )}
      </div>
      {again.refusal && <Refused error={again.refusal} />}
      {error && <Refused error={error} retry={pages.reload} />}
      {slow && <Skeleton rows={6} />}
      {items?.length === 0 && <Empty title={targetWords.nothingHappened} />}
      {items && items.length > 0 && (
        <>
          <Section title={say.now}>
            <Steps items={items} />
          </Section>
          <Section title={say.history}>
            <Timeline moments={items.map(toMoment)} />
            {hasMore && <Button label={words.more} kind="quiet" compact busy={busy} onClick={more} />}
          </Section>
        </>
      )}
    </>
  );
}

/** The way of the latest push in the order it is gone: what has been reached, when, and what has not. */
function Steps({ items }: { items: readonly Entry[] }) {
  const latest = (...kinds: string[]) => items.find((one) => kinds.includes(one.kind));
  const queued = latest('queued', 'replayed', 'approved', 'proposed', 'held');
  const since = queued ? items.slice(0, items.indexOf(queued)) : items;
  const sent = since.find((one) => one.kind === 'answered') ?? (queued ? undefined : latest('answered'));
  const tries = since.filter((one) => ['retry', 'unanswered'].includes(one.kind));
  const settled = latest('settled');
  const equal = latest('seen-equal');
  const problem = items[0] && plainOf(items[0].kind) === 'stuck' ? items[0] : undefined;
  return (
    <>
      {problem && <Notice tone="warning">{problem.text}</Notice>}
      <ol class="way">
        <Step title={say.steps.queued} entry={queued} />
        <Step title={say.steps.sent} entry={sent} more={sent && answerOf(sent)} />
        {tries[0] && (
          <Step title={say.steps.retry} entry={tries[0]} more={say.retries(tries.length)} tone="warning" />
        )}
        <Step
          title={say.steps.settled}
          entry={settled}
          stale={settled && items.some((one) => one.id > settled.id && isUnrest(one.kind))}
        />
        <Step title={say.steps.equal} entry={equal} />
      </ol>
    </>
  );
}

/** Since then it is not settled any more. */
const isUnrest = (kind: string) =>
  ['queued', 'replayed', 'retry', 'unanswered', 'proposed', 'held'].includes(kind) ||
  plainOf(kind) === 'stuck';

function answerOf({ response, tookMs }: Entry): string {
  const status = (response as { status?: number } | undefined)?.status;
  return [status, tookMs !== undefined && `${Math.round(tookMs)} ms`].filter(Boolean).join(' · ');
}

function Step(props: { title: string; entry?: Entry; more?: string; tone?: Tone; stale?: boolean }) {
  const { title, entry, more, tone = 'success', stale } = props;
  const reached = entry !== undefined && !stale;
  return (
    <li class={reached ? toneClass(tone) : 'open'}>
      <Icon shape={reached ? tone : 'neutral'} size={16} />
      <strong>{title}</strong>
      <span class="muted">{entry ? <Time at={entry.at} /> : say.notYet}</span>
      {more && <span class="muted">{more}</span>}
    </li>
  );
}

function toMoment(one: Entry) {
  const cause =
    one.cause && (say.causes[one.cause] ?? words.causes[one.cause as keyof typeof words.causes] ?? one.cause);
  // Who did it often stands in the sentence already.
  const who = [cause, one.actor && !one.text.includes(one.actor) && one.actor];
  const said = who.filter(Boolean).join(' · ');
  return {
    key: one.id,
    at: one.at,
    what: one.text,
    tone: entryTones.find(([shape]) => shape.test(one.kind))?.[1] ?? ('neutral' as const),
    more: (
      <>
        {said && <span>{said}</span>}
        <Exchange request={one.request} response={one.response} tookMs={one.tookMs} />
      </>
    ),
  };
}

/** Request and answer as they were, without secrets, for whoever needs to know. */
function Exchange(props: { request: unknown; response: unknown; tookMs?: number }) {
  const { request, response, tookMs } = props;
  if (request === undefined && response === undefined) return null;
  const shown = (title: string, value: unknown) => (
    <>
      <p class="muted">{title}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre class="raw" tabIndex={0}>
        {JSON.stringify(value, undefined, 2)}
      </pre>
    </>
  );
  return (
    <details>
      <summary>
        {targetWords.exchange}
        {tookMs !== undefined && ` · ${Math.round(tookMs)} ms`}
      </summary>
      {request !== undefined && shown(say.request, request)}
      {response !== undefined && shown(say.response, response)}
      <p class="muted">{say.removed}</p>
    </details>
  );
}
