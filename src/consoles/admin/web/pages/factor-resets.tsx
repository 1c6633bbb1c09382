/** `/admin/factor-resets`: who lost every further proof, who asked, who agreed, and what came of it. */
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { resetWords } from '#consoles/admin/web/words-factor-resets.ts';

const say = resetWords;
const all = { href: '/admin/factor-resets', label: say.title };
type Reset = Answer<'GET /factor-resets'>['items'][number];

const tones = { asked: 'warning', approved: 'warning', done: 'success', cancelled: 'neutral' } as const;
const isOpen = ({ state }: Reset) => state === 'asked' || state === 'approved';
const pageOf = (reset: Pick<Reset, 'person'>, act: string) =>
  `/admin/people/${reset.person.id}/proofs/${act}`;

function Moment({ reset }: { reset: Reset }) {
  const { doneAt, cancelledAt, dueAt, askedAt } = reset;
  return <Time at={doneAt ?? cancelledAt ?? dueAt ?? askedAt} />;
}

export function FactorResetsPage() {
  const { can, me } = useSession();
  const pages = usePages('factor resets', () => call('GET /factor-resets'));
  const mayDecide = can('people.write');
  return (
    <Page title={say.title} lede={say.lede}>
      <PagedTable
        caption={say.title}
        pages={pages}
        keyOf={(one) => `${one.person.id} ${one.askedAt}`}
        empty={<Empty title={say.none} text={say.noneText} />}
        columns={[
          {
            title: say.person,
            cell: (one) => (
              <a class="row-link" href={`/admin/people/${one.person.id}/sign-ins`}>
                <span dir="auto">{one.person.displayName}</span>
                <small>{one.person.username}</small>
              </a>
            ),
          },
          {
            title: say.state,
            cell: (one) => (
              <span class="outcomes">
                <Badge tone={tones[one.state]} label={say.states[one.state]} />
                <small class="muted">
                  <Moment reset={one} />
                </small>
              </span>
            ),
          },
          { title: say.askedBy, cell: (one) => one.askedBy.displayName, roomy: true },
          {
            title: say.decidedBy,
            cell: (one) => one.approvedBy?.displayName ?? <span class="muted">{words.none}</span>,
            wide: true,
          },
          { title: say.reason, cell: (one) => one.reason, breaks: true, wide: true },
          ...(mayDecide
            ? [
                {
                  title: words.doing,
                  does: true,
                  cell: (one: Reset) =>
                    isOpen(one) && (
                      <span class="row">
                        {one.state === 'asked' && one.askedBy.id !== me.id && (
                          <LinkButton label={say.approve} href={pageOf(one, 'agree')} compact />
                        )}
                        <LinkButton label={say.cancel} href={pageOf(one, 'call-off')} compact />
                      </span>
                    ),
                },
              ]
            : []),
        ]}
      />
    </Page>
  );
}

/** On the page of a person: what they have, and what is open. */
export function PersonProofs({ id }: { id: string }) {
  const { can, me } = useSession();
  const { data, error } = useLoad(`factors ${id}`, () => call('GET /people/:id/factors', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!data) return null;
  const { passkeys, app, recoveryCodes, reset } = data;
  const has = passkeys.length > 0 || app !== undefined;
  const base = `/admin/people/${id}/proofs`;
  return (
    <Section
      title={say.section}
      action={
        has &&
        !reset &&
        can('people.write') && <LinkButton id="ask-reset" label={say.ask} href={`${base}/ask`} compact />
      }
    >
      {reset && (
        <Notice tone="warning" title={say.states[reset.approvedAt ? 'approved' : 'asked']}>
          <p>{reset.reason}</p>
          <p class="small">{reset.dueAt ? <Time at={reset.dueAt} /> : <Time at={reset.askedAt} />}</p>
          {can('people.write') && (
            <p class="actions">
              {!reset.approvedAt && reset.askedBy !== me.id && (
                <LinkButton id="approve-reset" label={say.approve} href={`${base}/agree`} compact />
              )}
              <LinkButton id="cancel-reset" label={say.cancel} href={`${base}/call-off`} compact />
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

function usePerson(id: string) {
  const { data, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  const up = { href: `/admin/people/${id}/sign-ins`, label: data?.displayName ?? words.people };
  return { person: data, error, up };
}

/** /admin/people/:id/proofs/ask */
export function ResetAsking({ id }: { id: string }) {
  const { route } = useLocation();
  const { person, error, up } = usePerson(id);
  if (error) return <Refused error={error} />;
  if (!person) return null;
  return (
    <ConfirmPage
      title={say.askTitle(person.displayName)}
      up={up}
      act={say.ask}
      danger
      elevated
      reason={{ label: say.askReason, help: say.askReasonHelp }}
      onConfirm={async (reason) => {
        await call('POST /people/:id/factor-reset', { params: { id }, body: { reason } });
        route(up.href);
      }}
    >
      <p>{say.askText}</p>
    </ConfirmPage>
  );
}

/** What is open for this person, by the list: it knows the names. */
function useOpen(id: string) {
  const { data, error } = useLoad('factor resets', () => call('GET /factor-resets'));
  return {
    reset: data?.items.find((one) => one.person.id === id && isOpen(one)),
    isRead: data !== undefined,
    error,
  };
}

function Asked({ reset }: { reset: Reset }) {
  return (
    <Facts
      facts={[
        { name: say.person, value: `${reset.person.displayName} (${reset.person.username})` },
        { name: say.reason, value: reset.reason },
        { name: say.askedBy, value: `${reset.askedBy.displayName} (${reset.askedBy.username})` },
        { name: words.when, value: <Time at={reset.askedAt} /> },
      ]}
    />
  );
}

/** /admin/people/:id/proofs/agree */
export function ResetApproval({ id }: { id: string }) {
  const { route } = useLocation();
  const { me } = useSession();
  const { reset, isRead, error } = useOpen(id);
  if (error) return <Refused error={error} />;
  if (!isRead) return null;
  if (!reset) return <Gone />;
  if (reset.askedBy.id === me.id)
    return (
      <Page title={say.approveTitle(reset.person.displayName)} up={all}>
        <Notice tone="info">{say.approveOwn}</Notice>
      </Page>
    );
  return (
    <ConfirmPage
      title={say.approveTitle(reset.person.displayName)}
      up={all}
      act={say.approve}
      danger
      elevated
      onConfirm={async () => {
        await call('POST /people/:id/factor-reset/approve', { params: { id }, body: {} });
        route(all.href);
      }}
    >
      <p>{say.approveText}</p>
      <Asked reset={reset} />
    </ConfirmPage>
  );
}

/** /admin/people/:id/proofs/call-off */
export function ResetCalledOff({ id }: { id: string }) {
  const { route } = useLocation();
  const { reset, isRead, error } = useOpen(id);
  if (error) return <Refused error={error} />;
  if (!isRead) return null;
  if (!reset) return <Gone />;
  return (
    <ConfirmPage
      title={say.cancelTitle(reset.person.displayName)}
      up={all}
      act={say.cancel}
      onConfirm={async () => {
        await call('DELETE /people/:id/factor-reset', { params: { id } });
        route(all.href);
      }}
    >
      <p>{say.cancelText}</p>
      <Asked reset={reset} />
    </ConfirmPage>
  );
}

function Gone() {
  return (
    <Page title={say.title} up={all}>
      <Empty title={say.gone} text={say.goneText} action={all} />
    </Page>
  );
}
