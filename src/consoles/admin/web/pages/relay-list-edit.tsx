/** `/admin/relay/add-list` and `/admin/relay/lists/:name/change`: where the networks of a sender come from. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call, type Input, type Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { entryFault } from './relay-views.tsx';

type Detail = Answer<'GET /relay/lists/:name'>;
type Settings = Input<'PUT /relay/lists/:name'>['body']['settings'];

/** A list as it is typed. */
interface Typed {
  name: string;
  kind: 'published' | 'by-hand';
  url: string;
  product: string;
  direction: string;
  share: string;
  minutes: string;
  networks: string;
}

type Faults = Partial<Record<keyof Typed, string>>;

const all = { href: '/admin/relay/lists', label: say.lists };
const fresh: Typed = {
  name: '',
  kind: 'published',
  url: '',
  product: '',
  direction: '',
  share: '20',
  minutes: '60',
  networks: '',
};

/** 0.2 → "20". */
export const percentOf = (share: number) => String(Number((share * 100).toPrecision(12)));

function typedOf({ name, settings, byHand }: Detail): Typed {
  const { url, product = '', direction = '', shrinkGuard, everyMinutes } = settings;
  return {
    name,
    kind: url === undefined ? 'by-hand' : 'published',
    url: url ?? '',
    product,
    direction,
    share: percentOf(shrinkGuard),
    minutes: String(everyMinutes),
    networks: byHand.join('\n'),
  };
}

const networksOf = ({ networks }: Typed) => [...new Set(networks.split(/[\s,;]+/).filter(Boolean))];
const numberOf = (text: string) => Number(text.trim().replace(',', '.'));

function settingsOf(typed: Typed): Settings {
  const networks = networksOf(typed);
  if (typed.kind === 'by-hand') return { networks };
  const { url, product, direction, share, minutes } = typed;
  return {
    url: url.trim(),
    product: product.trim() || undefined,
    direction: direction.trim() || undefined,
    shrinkGuard: numberOf(share) / 100,
    everyMinutes: numberOf(minutes),
    networks,
  };
}

/** What the house could not be asked about, or would say in other words. */
function faultsOf(typed: Typed, taken: readonly string[]): Faults {
  const { name, kind, url, share, minutes } = typed;
  const faults: Faults = {};
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name)) faults.name = say.listNameWrong;
  else if (taken.includes(name)) faults.name = say.listNameTaken;
  if (kind === 'by-hand') return faults;
  if (url.trim() === '') faults.url = say.urlMissing;
  if (share.trim() === '' || !(numberOf(share) >= 0 && numberOf(share) <= 100)) faults.share = say.shareWrong;
  if (!/^\d{1,5}$/.test(minutes.trim()) || numberOf(minutes) < 1 || numberOf(minutes) > 10_080)
    faults.minutes = say.minutesWrong;
  return faults;
}

/** What the house refused, at the fields of this page. */
function refusedOf(refusal: Refusal | undefined, typed: Typed): Faults {
  const said = (path: string) => refusal?.fields[path];
  const of = (path: string) => said(`settings.${path}`);
  return {
    name: said('name'),
    url: of('url'),
    product: of('product'),
    direction: of('direction'),
    share: of('shrinkGuard'),
    minutes: of('everyMinutes'),
    networks: entryFault(refusal, 'settings.networks', networksOf(typed)),
  };
}

/** /admin/relay/add-list */
export function RelayListAdd() {
  const { data, error, reload } = useLoad('relay lists whole', () => call('GET /relay/lists'));
  return (
    <Page title={say.addList} up={all}>
      {error && <Refused error={error} retry={reload} />}
      {data && (
        <Section title={say.keeping}>
          <ListForm initial={fresh} version={null} taken={data.items.map(({ name }) => name)} />
        </Section>
      )}
    </Page>
  );
}

/** /admin/relay/lists/:name/change */
export function RelayListChange({ name }: { name: string }) {
  const { data, error, reload } = useLoad(`relay list ${name}`, () =>
    call('GET /relay/lists/:name', { params: { name } }),
  );
  return (
    <Page title={say.changeListTitle(name)} up={{ href: `${all.href}/${name}`, label: name }}>
      {error && <Refused error={error} retry={reload} />}
      {data && (
        <Section title={say.keeping}>
          <ListForm key={data.version} initial={typedOf(data)} version={data.version} taken={[]} />
        </Section>
      )}
    </Page>
  );
}

interface FormProps {
  initial: Typed;
  /** What was seen of the list: nobody's change is written over. null: a new one. */
  version: string | null;
  taken: readonly string[];
}

function ListForm({ initial, version, taken }: FormProps) {
  const { route } = useLocation();
  const isNew = version === null;
  const [typed, setTyped] = useState(initial);
  const [sent, setSent] = useState<Typed>();
  const { busy, refusal, act } = useAct(async () => {
    setSent(typed);
    if (Object.keys(faultsOf(typed, taken)).length > 0) return;
    const params = { name: typed.name };
    await call('PUT /relay/lists/:name', { params, body: { settings: settingsOf(typed), version } });
    forgetAll();
    route(`${all.href}/${typed.name}`);
  });
  const refused = sent ? refusedOf(refusal, sent) : {};
  const isSaid = Object.values(refused).some((text) => text !== undefined);
  const faults = sent ? { ...refused, ...faultsOf(typed, taken) } : {};
  return (
    <Form onSend={act} answer={refusal}>
      {refusal && !isSaid && <Refused error={refusal} />}
      <ListFields typed={typed} isNew={isNew} faults={faults} onInput={setTyped} />
      <div class="actions">
        <Button id="keep-list" label={say.keepList} busy={busy} />
        <LinkButton label={words.cancel} href={isNew ? all.href : `${all.href}/${typed.name}`} />
      </div>
    </Form>
  );
}

interface FieldsProps {
  typed: Typed;
  faults: Faults;
  onInput(typed: Typed): void;
}

function ListFields({ isNew, ...props }: FieldsProps & { isNew: boolean }) {
  const { typed, faults, onInput } = props;
  return (
    <>
      {isNew && (
        <TextField
          name="name"
          label={say.listName}
          help={say.listNameHelp}
          value={typed.name}
          error={faults.name}
          onInput={(name) => onInput({ ...typed, name: name.trim().toLowerCase() })}
          maxLength={40}
          literal
          required
        />
      )}
      <RadioField
        name="kind"
        label={say.listKind}
        value={typed.kind}
        options={(['published', 'by-hand'] as const).map((value) => ({
          value,
          ...say.listKinds[value],
        }))}
        onInput={(kind) => onInput({ ...typed, kind })}
      />
      {typed.kind === 'published' && <PublishedFields {...props} />}
      <TextField
        name="networks"
        label={typed.kind === 'published' ? say.networksBeside : say.networksByHand}
        help={say.networksByHandHelp}
        value={typed.networks}
        error={faults.networks}
        onInput={(networks) => onInput({ ...typed, networks })}
        rows={typed.kind === 'published' ? 3 : 10}
        required={typed.kind === 'by-hand'}
        long
        code
      />
    </>
  );
}

function PublishedFields({ typed, faults, onInput }: FieldsProps) {
  const field = (name: 'product' | 'direction' | 'share' | 'minutes', label: string, help?: string) => {
    const isNumber = name === 'share' || name === 'minutes';
    return (
      <TextField
        name={name}
        label={label}
        help={help}
        value={typed[name]}
        error={faults[name]}
        onInput={(text) => onInput({ ...typed, [name]: text })}
        numeric={isNumber}
        required={isNumber}
        maxLength={isNumber ? 20 : 60}
        literal
      />
    );
  };
  return (
    <>
      <TextField
        name="url"
        label={say.url}
        help={say.urlHelp}
        value={typed.url}
        error={faults.url}
        onInput={(url) => onInput({ ...typed, url })}
        maxLength={500}
        literal
        required
      />
      {field('product', say.product, say.productHelp)}
      {field('direction', say.direction, say.productHelp)}
      {field('share', say.shareField, say.shareHelp)}
      {field('minutes', say.minutesField)}
    </>
  );
}
