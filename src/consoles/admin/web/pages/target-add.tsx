/** `/admin/targets/add/:step`: an app becomes a target, one question after the other; each step has its address. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { SelectField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { addWords, setupWords } from '#consoles/admin/web/words-target-setup.ts';
import { settingsOf as appSettingsOf } from './app-settings.ts';
import { useFilters } from './filters.ts';
import { Guide } from './target-add-guide.tsx';
import { type Connector, useConnectors } from './target-connectors.ts';
import { CredentialFields, OptionFields } from './target-options.tsx';
import { LeaverFields, WhoFields } from './target-rules.tsx';
import { type Settings, saveSettings, typedOnly, useSaving, usualSettings } from './target-save.tsx';

const say = addWords;

/** Apps that are no target yet. */
async function loadApps(): Promise<Answer<'GET /applications'>['items']> {
  const [apps, targets] = await Promise.all([call('GET /applications'), call('GET /targets')]);
  const taken = new Set(targets.items.map((one) => one.application));
  return apps.items.filter((one) => !taken.has(one.id));
}

/** Secrets live for as long as this page does, and nowhere else. */
let typedCredentials: Record<string, string> = {};

export function TargetAdd({ step }: { step?: string }) {
  const [{ app, connector: named }, filter] = useFilters('app', 'connector');
  const apps = useLoad('apps without target', loadApps);
  const { all, connector, error } = useConnectors(named);
  const up = { href: '/admin/targets', label: words.targets };
  const failed = apps.error ?? error;
  const query = `?${new URLSearchParams({ app, connector: named })}`;
  const chosen = apps.data?.find((one) => one.id === app);
  const at = step && chosen && connector ? step : undefined;
  const current = at === 'who' ? 2 : at === 'connection' ? 1 : 0;
  return (
    <Page title={chosen ? `${say.title}: ${appSettingsOf(chosen).title}` : say.title} up={up}>
      <Guide current={current} />
      {failed && <Refused error={failed} />}
      {!failed && (!apps.data || !all) && <Skeleton rows={5} />}
      {apps.data?.length === 0 && <Empty title={say.noApps} text={say.noAppsText} />}
      {apps.data && apps.data.length > 0 && all && (
        <section class="card narrow">
          {at && connector ? (
            <Elevated>
              <Details key={app} app={app} connector={connector} query={query} isLast={at === 'who'} />
            </Elevated>
          ) : (
            <First
              apps={apps.data}
              connectors={all}
              app={app}
              connector={named}
              query={query}
              filter={filter}
            />
          )}
        </section>
      )}
    </Page>
  );
}

function First(props: {
  apps: Answer<'GET /applications'>['items'];
  connectors: readonly Connector[];
  app: string;
  connector: string;
  query: string;
  filter(name: 'app' | 'connector', value: string): void;
}) {
  const { apps, connectors, app, connector, query, filter } = props;
  const { route } = useLocation();
  const [sent, setSent] = useState(false);
  const can = ({ capabilities }: Connector) =>
    [
      capabilities.list === true && say.lists,
      capabilities.groups === true && say.groups,
      capabilities.invite === true && say.invites,
      capabilities.delete === true && say.deletes,
    ]
      .filter(Boolean)
      .join(', ');
  return (
    <Form
      onSend={() => {
        setSent(true);
        if (app && connector) route(`/admin/targets/add/connection${query}`);
      }}
    >
      <SelectField
        name="app"
        label={say.app}
        help={say.appHelp}
        value={app}
        onInput={(value) => filter('app', value)}
        error={sent && !app ? say.appMissing : undefined}
        options={[
          { value: '', label: say.chooseApp },
          ...apps.map((one) => ({ value: one.id, label: appSettingsOf(one).title })),
        ]}
        required
      />
      <RadioField
        name="connector"
        label={say.connector}
        value={connector}
        onInput={(value) => filter('connector', value)}
        error={sent && !connector ? say.connectorMissing : undefined}
        options={connectors.map((one) => ({ value: one.name, label: one.title, help: can(one) }))}
      />
      <div class="actions">
        <Button id="next" label={say.next} />
      </div>
    </Form>
  );
}

/** Address and credentials, then who; made at the end of it, in a mode that sends nothing unapproved. */
function Details(props: { app: string; connector: Connector; query: string; isLast: boolean }) {
  const { app, connector, query, isLast } = props;
  const { route } = useLocation();
  const draft = useDraft<Settings>(`new ${app} ${connector.name}`, usualSettings(connector.name));
  const [credentials, setCredentials] = useState(typedCredentials);
  const saving = useSaving(async () => {
    await saveSettings(app, draft.value, { credentials: typedOnly(credentials) });
    typedCredentials = {};
    draft.discard();
    route(`/admin/targets/${app}/mapping?guide=yes`);
  });
  const { refusal, busy } = saving;
  const faults = Object.keys(refusal?.fields ?? {});
  const belongsBefore = faults.some((name) => /^(?:settings\.)?(?:options|credentials)\b/.test(name));
  const shared = { settings: draft.value, connector, refusal, onInput: draft.change };
  return (
    <Form
      onSend={() => {
        if (isLast) saving.save();
        else route(`/admin/targets/add/who${query}`);
      }}
      answer={refusal}
    >
      {refusal && <Refused error={refusal} />}
      {isLast && !belongsBefore ? (
        <>
          <WhoFields {...shared} />
          <LeaverFields {...shared} />
          <Notice tone="info">{say.makeText}</Notice>
        </>
      ) : (
        <>
          <OptionFields
            connector={connector}
            options={draft.value.options}
            refusal={refusal}
            onInput={(options) => draft.change({ ...draft.value, options })}
          />
          <h2>{setupWords.connection}</h2>
          <CredentialFields
            connector={connector}
            values={credentials}
            areSet={false}
            refusal={refusal}
            onInput={(values) => {
              typedCredentials = values;
              setCredentials(values);
            }}
          />
        </>
      )}
      <div class="actions">
        <Button id={isLast ? 'make' : 'next'} label={isLast ? say.make : say.next} busy={busy} />
        <LinkButton
          label={say.back}
          href={isLast ? `/admin/targets/add/connection${query}` : `/admin/targets/add${query}`}
        />
      </div>
    </Form>
  );
}
