/** `/admin/mail/health`: whether mail can come and go, what to publish, and a letter that tries it. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { saidBy, TestTold } from '#consoles/admin/web/parts/test-told.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { mailToolWords as say } from '#consoles/admin/web/words-mail-tools.ts';
import { RelayTabs, relayHome } from './relay-views.tsx';

type Health = Answer<'GET /mail/health'>;
type Check = Health['listener'][number];
type Sent = Answer<'POST /mail/test'>;

const tones = {
  good: 'success',
  warning: 'warning',
  bad: 'danger',
  unanswered: 'info',
  note: 'neutral',
} as const;

export function MailHealthPage() {
  const { can } = useSession();
  const { data, error, slow, reload } = useLoad('mail health', () => call('GET /mail/health'));
  const [anew, setAnew] = useState<Health>();
  const again = useAct(async () => setAnew(await call('GET /mail/health', { query: { fresh: 'true' } })));
  const health = anew ?? data;
  return (
    <Page
      title={say.healthTitle}
      up={relayHome}
      lede={say.healthLede}
      actions={
        <Button
          id="look-again"
          label={say.again}
          kind="quiet"
          compact
          busy={again.busy}
          onClick={again.act}
        />
      }
    >
      <RelayTabs current="/admin/relay/health" />
      {again.refusal && <Refused error={again.refusal} />}
      {error && !health && <Refused error={error} retry={reload} />}
      {!health && !error && slow && <Skeleton rows={8} />}
      {health && <Found health={health} />}
      {can('people.help') && <TestMail anywhere={can('community.write')} />}
    </Page>
  );
}

function Found({ health }: { health: Health }) {
  return (
    <>
      <Notice
        tone={health.state === 'unanswered' ? 'warning' : tones[health.state]}
        title={say.all[health.state]}
      >
        <p class="small">
          {say.asOf} <Time at={health.at} />
        </p>
      </Notice>
      <Group title={say.smartHosts} checks={health.smartHosts} />
      {health.listener.length > 0 && <Group title={say.listener} checks={health.listener} />}
      {health.domains.map(({ domain, uses, checks }) => (
        <Group
          key={domain}
          title={domain}
          term={uses.map((use) => say.uses[use]).join(', ')}
          checks={checks}
        />
      ))}
    </>
  );
}

function Group({ title, term, checks }: { title: string; term?: string; checks: readonly Check[] }) {
  return (
    <Section title={title} action={term && <span class="muted small">{term}</span>}>
      <ul class="checks-list">
        {checks.map((one) => (
          <li key={`${one.check} ${one.about}`}>
            <div class="row">
              <Badge tone={tones[one.state]} label={say.states[one.state]} />
              <strong>{say.checks[one.check]}</strong>
              <small class="muted">{say.terms[one.check]}</small>
            </div>
            <p class="small">
              {one.about !== title && <code>{one.about}</code>} {one.text}
            </p>
            {one.state === 'unanswered' && (
              <p class="small muted">
                {one.seenAt ? (
                  <>
                    {say.lastSeen} <Time at={one.seenAt} />
                  </>
                ) : (
                  say.neverSeen
                )}
              </p>
            )}
            {one.found.map((found) => (
              <p class="small record" key={found}>
                <span class="muted">{one.check === 'smart-host' ? saidBy(found) : say.found}</span>{' '}
                <code>{found}</code>
              </p>
            ))}
            {one.publish && (
              <div class="publish">
                <p class="small">{say.publish(one.publish.type)}</p>
                <Facts
                  facts={[
                    { name: say.recordName, value: '', copy: one.publish.name },
                    // What only the operator knows stands in brackets: nothing to publish as it is.
                    one.publish.value.includes('(')
                      ? { name: say.recordValue, value: one.publish.value }
                      : { name: say.recordValue, value: '', copy: one.publish.value },
                  ]}
                />
              </div>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function TestMail({ anywhere }: { anywhere: boolean }) {
  const [to, setTo] = useState('');
  const [sent, setSent] = useState<Sent>();
  const { busy, refusal, act } = useAct(async () => {
    setSent(undefined);
    setSent(await call('POST /mail/test', { body: { to: to.trim() || undefined } }));
  });
  return (
    <Section title={say.test}>
      <Form onSend={act} answer={refusal}>
        <p class="small muted">{say.testText}</p>
        {refusal && !(anywhere && refusal.fields.to) && <Refused error={refusal} />}
        {anywhere && (
          <TextField
            name="to"
            label={say.testTo}
            help={say.testToHelp}
            value={to}
            error={refusal?.fields.to}
            onInput={setTo}
            maxLength={254}
            literal
          />
        )}
        <div class="actions">
          <Button id="send-test" label={say.testAct} busy={busy} />
          {anywhere && <LinkButton label={say.letters} href="/admin/mail/letters" />}
        </div>
      </Form>
      {sent && <TestTold tried={sent} />}
    </Section>
  );
}
