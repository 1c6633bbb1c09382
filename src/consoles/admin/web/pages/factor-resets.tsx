/** `/admin/factor-resets`: who lost every further proof, who asked, who agreed, and what came of it. */
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { resetWords } from '#consoles/admin/web/words-factor-resets.ts';
import {
  actOf,
  type Matter,
  MatterApproval,
  MatterAsking,
  MatterCalledOff,
  MattersPage,
} from './two-operators.tsx';

const say = resetWords;
type Reset = Answer<'GET /factor-resets'>['items'][number];

const resets: Matter<Reset['state'], Reset> = {
  words: say,
  href: '/admin/factor-resets',
  path: 'proofs',
  load: () => call('GET /factor-resets'),
  tones: { asked: 'warning', approved: 'warning', done: 'success', cancelled: 'neutral' },
  isOpen: ({ state }) => state === 'asked' || state === 'approved',
  since: ({ doneAt, cancelledAt, dueAt, askedAt }) => doneAt ?? cancelledAt ?? dueAt ?? askedAt,
};

export function FactorResetsPage() {
  return <MattersPage matter={resets} />;
}

/** On the page of a person: what they have, and what is open. */
export function PersonProofs({ id }: { id: string }) {
  const { can, me } = useSession();
  const { data, error } = useLoad(`factors ${id}`, () => call('GET /people/:id/factors', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!data) return null;
  const { passkeys, app, recoveryCodes, reset } = data;
  const has = passkeys.length > 0 || app !== undefined;
  return (
    <Section
      title={say.section}
      action={
        has &&
        !reset &&
        can('people.write') && (
          <LinkButton id="ask-reset" label={say.ask} href={actOf(resets, id, 'ask')} compact />
        )
      }
    >
      {reset && (
        <Notice tone="warning" title={say.states[reset.approvedAt ? 'approved' : 'asked']}>
          <p>{reset.reason}</p>
          <p class="small">{reset.dueAt ? <Time at={reset.dueAt} /> : <Time at={reset.askedAt} />}</p>
          {can('people.write') && (
            <p class="actions">
              {!reset.approvedAt && reset.askedBy !== me.id && (
                <LinkButton
                  id="approve-reset"
                  label={say.approve}
                  href={actOf(resets, id, 'agree')}
                  compact
                />
              )}
              <LinkButton id="cancel-reset" label={say.cancel} href={actOf(resets, id, 'call-off')} compact />
            </p>
          )}
        </Notice>
      )}
      {has ? (
        <Facts
          facts={[
            { name: say.passkeys, value: passkeys.map((one) => one.name).join(', ') },
            { name: say.app, value: app && <Time at={app.addedAt} /> },
            { name: say.codes, value: String(recoveryCodes) },
          ]}
        />
      ) : (
        <p class="muted small">{say.nothing}</p>
      )}
    </Section>
  );
}

/** /admin/people/:id/proofs/ask */
export function ResetAsking({ id }: { id: string }) {
  return (
    <MatterAsking
      matter={resets}
      person={id}
      onAsk={(reason) => call('POST /people/:id/factor-reset', { params: { id }, body: { reason } })}
    />
  );
}

/** /admin/people/:id/proofs/agree */
export function ResetApproval({ id }: { id: string }) {
  const { route } = useLocation();
  return (
    <MatterApproval
      matter={resets}
      person={id}
      onAgree={async () => {
        await call('POST /people/:id/factor-reset/approve', { params: { id }, body: {} });
        route(resets.href);
      }}
    />
  );
}

/** /admin/people/:id/proofs/call-off */
export function ResetCalledOff({ id }: { id: string }) {
  return (
    <MatterCalledOff
      matter={resets}
      person={id}
      onCallOff={() => call('DELETE /people/:id/factor-reset', { params: { id } })}
    />
  );
}
