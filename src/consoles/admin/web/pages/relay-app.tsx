/** `/admin/relay/apps/:id`: what one app may write, what it wrote, and the switch that stops it. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call, type Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ChecksField, ListField, RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { count } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { AppState, Refusals, Volumes } from './relay.tsx';
import { type Keeping, Rules } from './relay-rules.tsx';
import { entryFault, relayHome, useBegun } from './relay-views.tsx';

type App = Answer<'GET /applications/:id/relay'>;
type Settings = NonNullable<App['settings']>;

/** What an app that was never let write would begin with. */
const fresh: Settings = {
  networks: [],
  domains: [],
  envelope: [],
  require: ['dmarc'],
  tls: false,
  messageClasses: [],
  maxBytes: 25_000_000,
  off: false,
  mode: 'transparent',
  budgets: {},
};

export function RelayAppPage({ id }: { id: string }) {
  const { can } = useSession();
  const { data, error, reload } = useLoad(`relay app ${id}`, () =>
    call('GET /applications/:id/relay', { params: { id } }),
  );
  const counts = useLoad(`relay counts ${id}`, () =>
    call('GET /applications/:id/relay/counts', { params: { id }, query: { days: 30 } }),
  );
  const isOff = data?.settings?.off ?? false;
  const forms = useBegun(data?.version);
  const switching = useAct(async () => {
    await call('POST /applications/:id/relay/off', { params: { id }, body: { off: !isOff } });
    forgetAll();
    reload();
  });
  if (error)
    return (
      <Page title={id} up={relayHome}>
        <Refused error={error} retry={reload} />
      </Page>
    );
  if (!data) return null;
  const mayWrite = can('relay.write', id);
  return (
    <Page
      title={data.title}
      up={relayHome}
      badge={<AppState app={data} />}
      actions={
        <>
          <LinkButton label={say.log} href={`/admin/relay/log?app=${id}`} compact />
          {mayWrite && data.settings && (
            <Button
              id="switch-app"
              label={isOff ? say.startApp : say.stopApp}
              kind={isOff ? 'primary' : 'danger'}
              compact
              busy={switching.busy}
              onClick={switching.act}
            />
          )}
        </>
      }
    >
      {switching.refusal && <Refused error={switching.refusal} />}
      {mayWrite ? (
        <Forms
          key={`${id} ${forms.begun}`}
          app={data}
          onKept={(version) => {
            forms.keep(version);
            reload();
            // The line about today says how much is allowed.
            counts.reload();
          }}
        />
      ) : (
        <>
          <Section title={say.senders}>
            {data.settings ? (
              <SenderFacts settings={data.settings} />
            ) : (
              <p class="muted small">{say.neverSet}</p>
            )}
          </Section>
          <Rules rules={data.settings?.messageClasses ?? []} />
        </>
      )}
      {counts.data && (
        <>
          <Volumes title={say.volumesOf(data.title)} counts={counts.data} application={id} />
          <Refusals counts={counts.data} application={id} />
        </>
      )}
    </Page>
  );
}

/** Both keep over one version alone: what was seen when the page was opened, and then what it has kept itself. */
function Forms({ app, onKept }: { app: App; onKept(version: string): void }) {
  const [version, setVersion] = useState(app.version);
  const settings = app.settings ?? fresh;
  const keeping: Keeping = {
    id: app.application,
    version,
    onKept(kept) {
      setVersion(kept.version);
      onKept(kept.version);
    },
  };
  return (
    <>
      <Senders settings={settings} {...keeping} />
      <Rules rules={settings.messageClasses} keeping={keeping} />
    </>
  );
}

/** Figures as they are typed. */
interface Figures {
  perPerson: string;
  perApp: string;
  /** The largest message, in millions of bytes. */
  megabytes: string;
}

const figuresOf = ({ budgets, maxBytes }: Settings): Figures => ({
  perPerson: String(budgets.perPerson ?? ''),
  perApp: String(budgets.perApp ?? ''),
  megabytes: String(maxBytes / 1e6),
});

const numberOf = (text: string) => (text.trim() === '' ? undefined : Number(text));
const bytesOf = (text: string) => Math.round(Number(text.trim().replace(',', '.')) * 1e6);

type Faults = Partial<Record<'networks' | 'domains' | 'envelope' | keyof Figures, string>>;

/** What would be refused, said before it is sent. */
function faultsOf({ perPerson, perApp, megabytes }: Figures): Faults {
  const isWrong = (text: string) =>
    text.trim() !== '' && !(/^[1-9]\d{0,7}$/.test(text.trim()) && Number(text) <= 10_000_000);
  const bytes = bytesOf(megabytes);
  const faults: Faults = {};
  if (isWrong(perPerson)) faults.perPerson = say.notANumber;
  if (isWrong(perApp)) faults.perApp = say.notANumber;
  if (!(bytes >= 10_000 && bytes <= 100_000_000)) faults.megabytes = say.notASize;
  return faults;
}

/** What the house refused, at the fields of this page; of a list that was changed since, nothing is said any more. */
function refusedOf(refusal: Refusal | undefined, sent: Settings, typed: Settings): Faults {
  const lists = (['networks', 'domains', 'envelope'] as const).filter((name) => sent[name] === typed[name]);
  return {
    ...Object.fromEntries(lists.map((name) => [name, entryFault(refusal, name, sent[name])])),
    perPerson: refusal?.fields['budgets.perPerson'],
    perApp: refusal?.fields['budgets.perApp'],
    megabytes: refusal?.fields.maxBytes,
  };
}

function Senders({ settings, id, version, onKept }: Keeping & { settings: Settings }) {
  const [typed, setTyped] = useState(settings);
  const [figures, setFigures] = useState(() => figuresOf(settings));
  /** What was refused is said of what was sent, whatever was changed since. */
  const [sent, setSent] = useState<Settings>();
  const [isSaved, setSaved] = useState(false);
  const { busy, refusal, act } = useAct(async () => {
    setSaved(false);
    setSent({ ...typed });
    if (Object.keys(faultsOf(figures)).length > 0) return;
    const { networks, domains, envelope, require, tls, mode } = typed;
    const { perPerson, perApp, megabytes } = figures;
    const budgets = { perPerson: numberOf(perPerson), perApp: numberOf(perApp) };
    const maxBytes = bytesOf(megabytes);
    const kept = await call('PATCH /applications/:id/relay', {
      params: { id },
      body: { networks, domains, envelope, require, tls, mode, maxBytes, budgets, version },
    });
    forgetAll();
    onKept(kept);
    setSaved(true);
  });
  const isSaid = sent && Object.values(refusedOf(refusal, sent, sent)).some((text) => text !== undefined);
  const refused = sent ? refusedOf(refusal, sent, typed) : {};
  const faults = sent ? { ...refused, ...faultsOf(figures) } : {};
  return (
    <Section title={say.senders}>
      <Form onSend={act} answer={refusal} onInput={() => setSaved(false)}>
        {refusal && !isSaid && <Refused error={refusal} />}
        {isSaved && (
          <Notice tone="success" live>
            {say.saved}
          </Notice>
        )}
        <SenderFields
          typed={typed}
          faults={faults}
          set={(change) => {
            setSaved(false);
            setTyped({ ...typed, ...change });
          }}
        />
        <FigureFields figures={figures} faults={faults} onInput={setFigures} />
        <div class="actions">
          <Button id="save-senders" label={say.save} busy={busy} />
        </div>
      </Form>
    </Section>
  );
}

/** For whoever may read and change nothing. */
function SenderFacts({ settings }: { settings: Settings }) {
  const { networks, domains, envelope, require, tls, mode, budgets, maxBytes } = settings;
  const list = (values: readonly string[]) => values.join(', ') || say.any;
  const budget = (one: number | undefined) => (one === undefined ? say.asForAll : count(one));
  return (
    <Facts
      facts={[
        { name: say.networks, value: list(networks) },
        { name: say.domains, value: list(domains) },
        { name: say.envelope, value: list(envelope) },
        { name: say.require, value: require.map((one) => say.proofs[one]).join(', ') || say.nothing },
        { name: say.mode, value: say.modes[mode] },
        { name: say.tls, value: say.tlsOptions[tls ? 'yes' : 'no'] },
        { name: say.perPerson, value: budget(budgets.perPerson) },
        { name: say.perApp, value: budget(budgets.perApp) },
        { name: say.largest, value: count(maxBytes / 1e6) },
      ]}
    />
  );
}

function FigureFields(props: { figures: Figures; faults: Faults; onInput(figures: Figures): void }) {
  const { figures, faults, onInput } = props;
  return (
    <>
      <TextField
        name="per-person"
        label={say.perPerson}
        help={say.usual}
        value={figures.perPerson}
        onInput={(perPerson) => onInput({ ...figures, perPerson })}
        error={faults.perPerson}
        maxLength={20}
        numeric
      />
      <TextField
        name="per-app"
        label={say.perApp}
        help={say.usual}
        value={figures.perApp}
        onInput={(perApp) => onInput({ ...figures, perApp })}
        error={faults.perApp}
        maxLength={20}
        numeric
      />
      <TextField
        name="megabytes"
        label={say.largest}
        value={figures.megabytes}
        onInput={(megabytes) => onInput({ ...figures, megabytes })}
        error={faults.megabytes}
        maxLength={20}
        numeric
        required
      />
    </>
  );
}

function SenderFields(props: { typed: Settings; faults: Faults; set(change: Partial<Settings>): void }) {
  const { typed, faults, set } = props;
  return (
    <>
      <ListField
        name="networks"
        label={say.networks}
        help={say.networksHelp}
        values={typed.networks}
        onInput={(networks) => set({ networks })}
        error={faults.networks}
      />
      <ListField
        name="domains"
        label={say.domains}
        help={say.domainsHelp}
        values={typed.domains}
        onInput={(domains) => set({ domains })}
        error={faults.domains}
      />
      <ListField
        name="envelope"
        label={say.envelope}
        help={say.envelopeHelp}
        values={typed.envelope}
        onInput={(envelope) => set({ envelope })}
        error={faults.envelope}
      />
      <ChecksField
        name="require"
        label={say.require}
        values={typed.require}
        options={(['dkim', 'spf', 'dmarc'] as const).map((value) => ({ value, label: say.proofs[value] }))}
        onInput={(require) => set({ require })}
      />
      <RadioField
        name="mode"
        label={say.mode}
        value={typed.mode}
        options={(['transparent', 'rewritten'] as const).map((value) => ({
          value,
          label: say.modes[value],
        }))}
        onInput={(mode) => set({ mode })}
      />
      <RadioField
        name="tls"
        label={say.tls}
        value={typed.tls ? 'yes' : 'no'}
        options={(['no', 'yes'] as const).map((value) => ({ value, label: say.tlsOptions[value] }))}
        onInput={(tls) => set({ tls: tls === 'yes' })}
      />
    </>
  );
}
