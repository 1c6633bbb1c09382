/** `/admin/recovery-links`: for whom no mail reaches, who asked, who agreed, and what came of it. */
import { useState } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { ShownOnce } from '#consoles/admin/web/parts/shown-once.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { mailWords, linkWords as say } from '#consoles/admin/web/words-own-mail.ts';
import {
  actOf,
  type Matter,
  MatterActs,
  MatterApproval,
  MatterAsking,
  MatterCalledOff,
  MattersPage,
  useOpen,
} from './two-operators.tsx';

type Link = Answer<'GET /recovery-links'>['items'][number];

const links: Matter<Link['state'], Link> = {
  words: say,
  href: '/admin/recovery-links',
  path: 'recovery-link',
  load: () => call('GET /recovery-links'),
  tones: { asked: 'warning', made: 'warning', used: 'success', over: 'neutral', cancelled: 'neutral' },
  isOpen: ({ state }) => state === 'asked' || state === 'made',
  since: (one) => one.cancelledAt ?? one.approvedAt ?? one.askedAt,
};

export function RecoveryLinksPage() {
  return <MattersPage matter={links} />;
}

/** On the page of a person: their mail, and the way for whom none arrives. */
export function PersonMail({ id }: { id: string }) {
  const { can } = useSession();
  const { open, isRead, error } = useOpen(links, id);
  if (error) return <Refused error={error} />;
  return (
    <Section
      title={say.section}
      action={
        <span class="row">
          {can('notices.read') && (
            <LinkButton id="their-mail" label={mailWords.mailOf} href={`/admin/mail?person=${id}`} compact />
          )}
          {isRead && !open && can('people.write') && (
            <LinkButton id="ask-link" label={say.ask} href={actOf(links, id, 'ask')} compact />
          )}
        </span>
      }
    >
      {open ? (
        <Notice tone="warning" title={say.states[open.state]}>
          <p>{open.reason}</p>
          {can('people.write') && <MatterActs matter={links} one={open} />}
        </Notice>
      ) : (
        <p class="muted small">{say.sectionText}</p>
      )}
    </Section>
  );
}

/** /admin/people/:id/recovery-link/ask */
export function LinkAsking({ id }: { id: string }) {
  return (
    <MatterAsking
      matter={links}
      person={id}
      onAsk={(reason) => call('POST /people/:id/recovery-link', { params: { id }, body: { reason } })}
    />
  );
}

/** /admin/people/:id/recovery-link/agree */
export function LinkApproval({ id }: { id: string }) {
  const [made, setMade] = useState<Answer<'POST /people/:id/recovery-link/approve'>>();
  if (made)
    return (
      <ShownOnce
        title={say.title}
        up={{ href: links.href, label: say.title }}
        said={say.made}
        facts={[
          { name: say.link, value: '', copy: made.url },
          { name: say.ends, value: <Time at={made.expiresAt} /> },
        ]}
        done={say.done}
      />
    );
  return (
    <MatterApproval
      matter={links}
      person={id}
      onAgree={async () => {
        setMade(await call('POST /people/:id/recovery-link/approve', { params: { id }, body: {} }));
      }}
    />
  );
}

/** /admin/people/:id/recovery-link/call-off */
export function LinkCalledOff({ id }: { id: string }) {
  return (
    <MatterCalledOff
      matter={links}
      person={id}
      onCallOff={() => call('DELETE /people/:id/recovery-link', { params: { id } })}
    />
  );
}
