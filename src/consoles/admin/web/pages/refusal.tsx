/** `/admin/refusals/:reference`: the whole path of one refused sign-in, in order. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { type Moment, Timeline } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { refusalWords as say } from '#consoles/admin/web/words-refusals.ts';

type Path = Answer<'GET /refusals/:reference'>;

export function RefusalPage({ reference }: { reference: string }) {
  const { data, error, slow } = useLoad(`refusal ${reference}`, () =>
    call('GET /refusals/:reference', { params: { reference } }),
  );
  const up = { href: '/admin/refusals', label: say.title };
  if (data) return <Shown path={data} />;
  return (
    <Page title={reference} up={up}>
      {error?.status === 404 ? (
        <Empty title={say.unknown} text={say.unknownText} />
      ) : (
        error && <Refused error={error} />
      )}
      {slow && <Skeleton rows={8} />}
    </Page>
  );
}

function Shown({ path }: { path: Path }) {
  const { canSomewhere } = useSession();
  const { person, application } = path;
  const entry = person && application && `/admin/people/${person.id}/entry?app=${application.id}`;
  return (
    <Page
      title={path.reference}
      up={{ href: '/admin/refusals', label: say.title }}
      badge={<Badge tone={path.code === 'watched' ? 'info' : 'warning'} label={path.code} />}
      actions={entry && <LinkButton label={say.explain} href={entry} kind="quiet" compact />}
    >
      <Section title={say.signIn}>
        <Facts
          facts={[
            {
              name: say.person,
              value: person ? <a href={`/admin/people/${person.id}`}>{person.username}</a> : say.nobody,
            },
            {
              name: say.app,
              value: application ? (
                canSomewhere('applications.read') ? (
                  <a href={`/admin/apps/${application.id}`}>{application.title}</a>
                ) : (
                  application.title
                )
              ) : (
                say.noApp
              ),
            },
            { name: say.when, value: <Time at={path.at} /> },
            { name: say.where, value: `${path.device}, ${path.network}` },
            { name: say.door, value: <code>{path.door}</code> },
          ]}
        />
      </Section>
      <Section title={say.path}>
        <Timeline moments={path.steps.map((step, index) => momentOf(step, index, path.reference))} />
      </Section>
    </Page>
  );
}

function momentOf(step: Path['steps'][number], index: number, here: string): Moment {
  const facts = Object.entries(step.facts).filter(([, value]) => !Array.isArray(value) || value.length > 0);
  const refused = /refused/.test(step.step);
  return {
    key: index,
    at: step.at,
    what: refused ? <strong>{step.step}</strong> : step.step,
    tone: refused ? 'warning' : step.reference === here ? 'info' : 'neutral',
    more: (
      <span class="breaks">
        {facts.map(([name, value]) => (
          <span key={name}>
            <code>{name}</code> {Array.isArray(value) ? value.join(', ') : String(value)}{' '}
          </span>
        ))}
        {step.reference !== here && (
          <span class="muted">
            {say.otherRequest} {step.reference}
          </span>
        )}
      </span>
    ),
  };
}
