/** One person at a target: what a push would do right now, and which account there is theirs. */
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Diff } from '#consoles/admin/web/parts/diff.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { VerdictBadge, written } from '#consoles/admin/web/parts/verdict.tsx';
import { planWords, subjectWords } from '#consoles/admin/web/words-plan.ts';
import { useSubject } from './target-subject.tsx';

const say = subjectWords;
const pathTo = (id: string, subject: string) => `/admin/targets/${id}/people/${encodeURIComponent(subject)}`;

/** /admin/targets/:id/people/:subject/look */
export function SubjectLook({ id, subject }: { id: string; subject: string }) {
  const { name, thing, username } = useSubject(id, subject);
  const { data, error, reload } = useLoad(`look ${id} ${subject}`, () =>
    call('POST /targets/:id/plan-one', { params: { id }, body: { person: thing } }),
  );
  return (
    <Page
      title={name}
      up={{ href: pathTo(id, subject), label: planWords.who }}
      lede={username}
      actions={<Button id="look-again" label={say.lookAgain} kind="quiet" compact onClick={reload} />}
    >
      {error && <Refused error={error} retry={reload} />}
      {!data && !error && <Skeleton rows={5} />}
      {data && !data.answered && (
        <Notice tone="warning" title={say.lookFailed}>
          {data.why}
        </Notice>
      )}
      {data?.verdict && (
        <Section title={say.lookTitle} action={<VerdictBadge verdict={data.verdict} />}>
          <p>{data.why}</p>
          {data.fields.length > 0 ? (
            <Diff
              caption={planWords.fields}
              differences={data.fields.map((one) => ({
                field: one.name,
                was: written(one.was),
                will: written(one.will),
              }))}
            />
          ) : (
            data.verdict === 'unchanged' && <p class="muted">{say.nothingDiffers}</p>
          )}
          <p class="muted small">{say.lookHint}</p>
        </Section>
      )}
    </Page>
  );
}

/** /admin/targets/:id/people/:subject/relink */
export function SubjectRelink({ id, subject }: { id: string; subject: string }) {
  const { route, query } = useLocation();
  const { name, thing, username } = useSubject(id, subject);
  const [remoteId, setRemoteId] = useState(query.account ?? '');
  const [sent, setSent] = useState(false);
  const suggestions = useStrangers(id, remoteId);
  const up = { href: pathTo(id, subject), label: name };
  const missing = sent && remoteId.trim() === '';
  return (
    <ConfirmPage
      title={say.relinkTitle(name)}
      up={up}
      act={say.relinkAct}
      elevated
      ready={() => {
        setSent(true);
        return remoteId.trim() !== '';
      }}
      fields={
        <TextField
          name="remote-id"
          label={say.remoteId}
          help={say.remoteIdHelp}
          value={remoteId}
          onInput={setRemoteId}
          suggestions={suggestions}
          error={missing ? say.remoteIdHelp : undefined}
          literal
          required
        />
      }
      onConfirm={async () => {
        await call('POST /targets/:id/relink', {
          params: { id },
          body: { person: thing, remoteId: remoteId.trim() },
        });
        route(up.href);
      }}
    >
      <p>{say.relinkText}</p>
      {username && <p class="muted">{username}</p>}
    </ConfirmPage>
  );
}

/** Accounts of nobody that fit what is typed: their id, and what they are called beside it. */
function useStrangers(id: string, typed: string) {
  const [found, setFound] = useState<{ value: string; label: string }[]>([]);
  const wanted = typed.trim();
  useEffect(() => {
    let late = false;
    const timer = setTimeout(() => {
      call('GET /targets/:id/strangers', { params: { id }, query: { search: wanted, limit: 8 } })
        .then(({ items }) => {
          if (late) return;
          setFound(
            items.map(({ remoteId, attributes }) => ({
              value: remoteId,
              label: [attributes.userName, attributes.email].map(written).filter(Boolean).join(' · '),
            })),
          );
        })
        // The field works without suggestions.
        .catch(() => undefined);
    }, 150);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [id, wanted]);
  return found;
}
