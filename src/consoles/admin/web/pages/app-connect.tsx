/** `/admin/apps/:id/connect`: what to paste on the other side, under the names it has there. */
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Paste } from '#consoles/admin/web/parts/paste.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { addWords } from '#consoles/admin/web/words-apps.ts';
import { settingsOf } from './app-settings.ts';

const say = addWords;

export function AppConnect({ id }: { id: string }) {
  const app = useLoad(`app ${id}`, () => call('GET /applications/:id', { params: { id } }));
  const { data, error, slow, reload } = useLoad(`connection ${id}`, () =>
    call('GET /applications/:id/connection', { params: { id } }),
  );
  const title = app.data ? settingsOf(app.data).title : id;
  const up = { href: `/admin/apps/${id}`, label: title };
  const failed = app.error ?? error;
  return (
    <Page title={say.connectTitle(data?.template?.title ?? title)} up={up} lede={say.connectLede}>
      {failed && <Refused error={failed} retry={reload} />}
      {!failed && slow && <Skeleton rows={5} />}
      {data?.there.length === 0 && <Empty title={say.nothing} />}
      {data && data.there.length > 0 && (
        <section class="card">
          <div class="pastes">
            {data.there.map((one) =>
              one.from === 'client-secret' ? (
                <Paste key={one.label} label={one.label}>
                  <Secret id={id} isMade={app.data?.hasSecret ?? false} />
                </Paste>
              ) : (
                <Paste key={one.label} {...one} />
              ),
            )}
          </div>
        </section>
      )}
      {data && data.notes.length > 0 && (
        <Section title={say.notes}>
          <ul class="lines small">
            {data.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      )}
      <div class="actions">
        <LinkButton id="to-app" label={say.toApp} href={`/admin/apps/${id}`} />
      </div>
    </Page>
  );
}

function Secret({ id, isMade }: { id: string; isMade: boolean }) {
  const { can } = useSession();
  return (
    <div class="row">
      <span class="muted">{isMade ? say.secretThere : say.secretMissing}</span>
      {!isMade && can('applications.write', id) && (
        <LinkButton id="make-secret" label={say.makeSecret} href={`/admin/apps/${id}/secret`} compact />
      )}
    </div>
  );
}
