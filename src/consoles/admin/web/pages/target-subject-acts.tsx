/** One person at a target: what a push would do right now, and which account there is theirs. */
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Diff } from '#consoles/admin/web/parts/diff.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { VerdictBadge, written } from '#consoles/admin/web/parts/verdict.tsx';
import { planWords, subjectWords } from '#consoles/admin/web/words-plan.ts';
import { AskedThere, pathTo } from './asked-there.tsx';
import { useSubject } from './target-subject.tsx';

const say = subjectWords;

/** /admin/targets/:id/people/:subject/look */
export function SubjectLook({ id, subject }: { id: string; subject: string }) {
  const { thing } = useSubject(id, subject);
  const asked = useLoad(`look ${id} ${subject}`, () =>
    call('POST /targets/:id/plan-one', { params: { id }, body: { person: thing } }),
  );
  const again = { id: 'look-again', label: say.lookAgain };
  return (
    <AskedThere {...{ id, subject, asked, again }} up={planWords.who} failed={say.lookFailed}>
      {({ verdict, why, fields }) =>
        verdict && (
          <Section title={say.lookTitle} action={<VerdictBadge verdict={verdict} />}>
            <p>{why}</p>
            {fields.length > 0 ? (
              <Diff
                caption={planWords.fields}
                differences={fields.map((one) => ({
                  field: one.name,
                  was: written(one.was),
                  will: written(one.will),
                }))}
              />
            ) : (
              verdict === 'unchanged' && <p class="muted">{say.nothingDiffers}</p>
            )}
            <p class="muted small">{say.lookHint}</p>
          </Section>
        )
      }
    </AskedThere>
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
