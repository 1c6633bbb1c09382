/** `/admin/apps/:id`: what an app is, who may enter, what it hears of people, and what happened there. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { Events, withNames } from '#consoles/admin/web/parts/timeline.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { settingWords } from '#consoles/admin/web/words-app-settings.ts';
import { addWords, testWords } from '#consoles/admin/web/words-apps.ts';
import { type AppSettings, settingsOf, usesSecret } from './app-settings.ts';
import { AppSignOuts } from './sign-outs.tsx';

const say = words.appsPage;
type Application = Answer<'GET /applications/:id'>;

export function AppPage({ id }: { id: string }) {
  const { can } = useSession();
  const {
    data: app,
    error,
    slow,
    reload,
  } = useLoad(`app ${id}`, () => call('GET /applications/:id', { params: { id } }));
  const events = useLoad(can('events.read') ? `app events ${id}` : undefined, async () =>
    withNames(await call('GET /events', { query: { application: id, limit: 15 } })),
  );
  const up = { href: '/admin/apps', label: words.apps };
  if (!app)
    return (
      <Page title={words.apps} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={8} />}
      </Page>
    );
  const settings = settingsOf(app);
  return (
    <Page
      title={settings.title}
      up={up}
      badge={
        settings.enabled ? <Badge tone="success" label={say.on} /> : <Badge tone="neutral" label={say.off} />
      }
      lede={settings.description}
      actions={<Actions id={id} settings={settings} />}
    >
      {settings.privateHttp && (
        <Notice tone="warning">{words.concerns['app-plain-http'](settings.title)}</Notice>
      )}
      <div class="two">
        <What app={app} settings={settings} />
        <div class="stack">
          <Sees settings={settings} />
          {settings.oidc && <SignsIn app={app} oidc={settings.oidc} />}
          {settings.saml && <SignsInBySaml saml={settings.saml} />}
        </div>
      </div>
      <AppSignOuts id={id} />
      {events.data && (
        <Section title={say.latest}>
          {events.data.items.length === 0 ? (
            <p class="muted small">{say.noEvents}</p>
          ) : (
            <Events events={events.data.items} about />
          )}
        </Section>
      )}
    </Page>
  );
}

/** What can be done with an app, by whoever may. */
function Actions({ id, settings }: { id: string; settings: AppSettings }) {
  const { can } = useSession();
  return (
    <>
      {can('applications.write', id) && (
        <LinkButton id="settings" label={settingWords.settings} href={`/admin/apps/${id}/settings`} compact />
      )}
      {(settings.oidc ?? settings.saml) && (
        <LinkButton id="connect" label={addWords.connect} href={`/admin/apps/${id}/connect`} compact />
      )}
      {(settings.oidc ?? settings.saml) && can('applications.write', id) && (
        <LinkButton id="test" label={testWords.test} href={`/admin/apps/${id}/test`} compact />
      )}
      {usesSecret(settings) && can('applications.write', id) && (
        <LinkButton id="new-secret" label={say.newSecret} href={`/admin/apps/${id}/secret`} compact />
      )}
      {can('applications.manage') && (
        <LinkButton id="remove-app" label={say.remove} href={`/admin/apps/${id}/remove`} compact />
      )}
    </>
  );
}

function What({ app, settings }: { app: Application; settings: AppSettings }) {
  return (
    <Section title={say.what}>
      <Facts
        facts={[
          { name: say.id, value: '', copy: app.id },
          { name: say.address, value: settings.url && <a href={settings.url}>{settings.url}</a> },
          { name: say.entry, value: settings.access.groups?.join(', ') ?? say.everyone },
          { name: say.consent, value: say.consents[settings.consent] },
          { name: say.created, value: <Time at={app.createdAt} /> },
          { name: say.changed, value: <Time at={app.updatedAt} /> },
        ]}
      />
    </Section>
  );
}

function Sees({ settings: { release, alias, subject } }: { settings: AppSettings }) {
  const groups =
    release.groups === 'none'
      ? say.noGroups
      : release.groups === 'all'
        ? say.allGroups
        : release.groups.join(', ');
  return (
    <Section title={say.sees}>
      <Facts
        facts={[
          { name: say.claims, term: 'claims', value: release.claims.join(', ') },
          { name: say.groupsSeen, term: 'groups', value: groups },
          { name: say.calledBy, term: 'preferred_username', value: say.aliasRules[alias.rule] },
          { name: say.subject, term: 'sub', value: say.subjects[subject] },
        ]}
      />
    </Section>
  );
}

function SignsIn({ app, oidc }: { app: Application; oidc: NonNullable<AppSettings['oidc']> }) {
  return (
    <Section title={say.oidc}>
      <Facts
        facts={[
          { name: say.issuerHint, term: 'client_id', value: '', copy: app.id },
          {
            name: say.secret,
            term: 'client_secret',
            value: usesSecret({ oidc }) && (app.hasSecret ? say.hasSecret : say.noSecret),
          },
          { name: say.auth, term: 'token_endpoint_auth_method', value: oidc.clientAuth },
          { name: say.redirect, term: 'redirect_uris', value: <Uris uris={oidc.redirectUris} /> },
        ]}
      />
    </Section>
  );
}

function SignsInBySaml({ saml }: { saml: NonNullable<AppSettings['saml']> }) {
  const { acsUrls, metadata } = saml;
  const signed = say.signs[saml.sign];
  return (
    <Section title={say.saml}>
      <Facts
        facts={[
          { name: say.entityId, term: 'entityID', value: '', copy: saml.entityId },
          {
            name: say.answers,
            term: 'ACS',
            value: acsUrls.length > 0 ? <Uris uris={acsUrls} /> : (metadata?.url ?? say.fromMetadata),
          },
          { name: say.nameId, term: 'NameID', value: say.nameIds[saml.nameId.format] },
          { name: say.signed, value: saml.encrypt ? `${signed}, ${say.encrypted}` : signed },
          { name: say.launched, value: saml.idpInitiated.allowed ? say.yes : say.no },
          {
            name: say.signsOut,
            term: 'SLO',
            value: saml.sloUrl ? <Uris uris={[saml.sloUrl]} /> : metadata ? say.fromMetadata : say.nowhere,
          },
        ]}
      />
    </Section>
  );
}

function Uris({ uris }: { uris: readonly string[] }) {
  return (
    <span class="uris">
      {uris.map((uri) => (
        <code key={uri}>{uri}</code>
      ))}
    </span>
  );
}
