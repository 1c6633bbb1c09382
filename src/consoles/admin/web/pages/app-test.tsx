/** `/admin/apps/:id/test`: what a sign-in would tell the app of somebody, and why. Nobody is signed in, nothing is sent. */
import { useState } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { addWords, testWords } from '#consoles/admin/web/words-apps.ts';
import { settingsOf, signsInByOidc } from './app-settings.ts';
import { useFilters } from './filters.ts';
import { useUsernames } from './usernames.ts';

const say = testWords;
type Tested = Answer<'POST /applications/:id/test'>;

export function AppTest({ id }: { id: string }) {
  const [{ person }, filter] = useFilters('person');
  const app = useLoad(`app ${id}`, () => call('GET /applications/:id', { params: { id } }));
  const { data, error, slow, reload } = useLoad(`test ${id} ${person}`, () =>
    call('POST /applications/:id/test', { params: { id }, body: person ? { person } : {} }),
  );
  const title = app.data ? settingsOf(app.data).title : id;
  return (
    <Page
      title={say.title(title)}
      up={{ href: `/admin/apps/${id}`, label: title }}
      lede={say.lede}
      actions={
        <>
          {app.data && settingsOf(app.data).saml && (
            <LinkButton id="real" label={say.real} href={`/saml/test/${id}`} compact />
          )}
          {app.data && signsInByOidc(settingsOf(app.data)) && (
            <LinkButton id="real-oidc" label={say.realOidc} href={`/oidc/test/${id}`} compact />
          )}
          <LinkButton label={addWords.connect} href={`/admin/apps/${id}/connect`} compact />
        </>
      }
    >
      <Who key={person} person={person} onPick={(value) => filter('person', value)} onAgain={reload} />
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={6} />}
      {data && !error && <Outcome tested={data} />}
    </Page>
  );
}

function Who(props: { person: string; onPick(value: string): void; onAgain(): void }) {
  const { can } = useSession();
  const [typed, setTyped] = useState(props.person);
  const usernames = useUsernames(typed);
  if (!can('people.read')) return null;
  return (
    <section class="card narrow">
      <Form
        onSend={() => {
          if (typed.trim() === props.person) props.onAgain();
          else props.onPick(typed.trim());
        }}
      >
        <TextField
          name="person"
          label={say.who}
          help={say.whoHelp}
          value={typed}
          onInput={setTyped}
          suggestions={usernames}
          literal
        />
        <div class="actions">
          <Button id="try" label={say.act} />
        </div>
      </Form>
    </section>
  );
}

function Outcome({ tested }: { tested: Tested }) {
  const { person, refused, asksConsent, tellings, lacking } = tested;
  return (
    <>
      <p id="whose">{say.whose(person.displayName, person.username)}</p>
      {refused && (
        <Notice tone="danger" title={say.refused}>
          {refused.text}
        </Notice>
      )}
      {lacking.length > 0 && (
        <Notice tone="warning" title={say.lacking}>
          <ul class="lines">
            {lacking.map(({ value, why, change }) => (
              <li key={value}>
                {why} {change}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      {asksConsent && !refused && <Notice tone="info">{say.asksConsent}</Notice>}
      {!refused && lacking.length === 0 && tellings.every((one) => !one.nameless) && (
        <Notice tone="success">{say.fine}</Notice>
      )}
      {tellings.length === 0 && <Notice tone="info">{say.silent}</Notice>}
      {tellings.map((one) => (
        <Telling key={one.speaks} telling={one} />
      ))}
    </>
  );
}

function Telling({ telling }: { telling: Tested['tellings'][number] }) {
  const { speaks, told, nameless, message } = telling;
  return (
    <Section title={say.by[speaks]}>
      {nameless && (
        <Notice tone="danger" title={say.nameless}>
          {nameless.text}
        </Notice>
      )}
      <dl class="told">
        {told.map((one) => (
          <div key={one.name}>
            <dt>
              <code>{one.name}</code>
              {one.more && <small>{one.more}</small>}
            </dt>
            <dd>
              <strong dir="auto">{one.values.join(', ')}</strong>
              <span class="muted small">{one.why}</span>
            </dd>
          </div>
        ))}
      </dl>
      {message && (
        <details>
          <summary>{say.message}</summary>
          <p class="muted small">{say.messageText[speaks]}</p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also without a mouse */}
          <pre class="raw" tabIndex={0}>
            {speaks === 'saml' ? inLines(message) : message}
          </pre>
        </details>
      )}
    </Section>
  );
}

/** One element a line, indented by how deep it stands: for eyes, the message has no space in it. */
function inLines(xml: string): string {
  let depth = 0;
  return xml
    .replaceAll('><', '>\n<')
    .split('\n')
    .map((line) => {
      if (line.startsWith('</')) depth -= 1;
      const shown = '  '.repeat(Math.max(depth, 0)) + line;
      if (/^<[^/!?][^>]*[^/]>$/.test(line)) depth += 1;
      return shown;
    })
    .join('\n')
    .replaceAll(/<([\w:]+)([^>]*)>\n *<\/\1>/g, '<$1$2></$1>');
}
