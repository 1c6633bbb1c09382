/** `/admin/targets/:id/mapping`: an expression for each attribute, tried on somebody while one types. */
import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call, Refusal } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { written } from '#consoles/admin/web/parts/verdict.tsx';
import { addWords, mappingWords } from '#consoles/admin/web/words-target-setup.ts';
import { useFilters } from './filters.ts';
import { Guide } from './target-add-guide.tsx';
import { type Connector, useConnectors } from './target-connectors.ts';
import { AttributeRow, UnknownRow } from './target-mapping-row.tsx';
import { SaveBar, saveSettings, settingsOf, type Target, useLatest, useSaving } from './target-save.tsx';
import { findByUsername, useUsernames } from './usernames.ts';

const say = mappingWords;
export type Preview = Answer<'POST /targets/:id/preview'>;
export type Mapping = Record<string, string>;

export function TargetMapping({ target: loaded }: { target: Target }) {
  const [target, setTarget] = useLatest(loaded);
  const id = target.application;
  const { query } = useLocation();
  const { connector, variables, error, slow } = useConnectors(target.connector);
  // A draft is held against what it began with: nobody's change is written over.
  const draft = useDraft(`mapping ${id}`, {
    mapping: settingsOf(target).mapping,
    version: target.version,
  });
  const { mapping, version } = draft.value;
  const person = usePerson();
  const preview = usePreview(id, person.id, mapping);
  const saving = useSaving(async () => {
    setTarget(await saveSettings(id, { ...settingsOf(target), mapping }, { version }));
    draft.discard();
  });
  if (error) return <Refused error={error} />;
  if (!connector) return slow ? <Skeleton rows={8} /> : null;
  const change = (name: string, expression: string | undefined) => {
    const { [name]: _, ...others } = mapping;
    draft.change({
      version,
      mapping: expression === undefined ? others : { ...others, [name]: expression },
    });
  };
  const { sent, rest, strange } = sorted(connector, mapping);
  const row = (attribute: (typeof sent)[number]) => (
    <AttributeRow
      key={attribute.name}
      attribute={attribute}
      given={mapping[attribute.name]}
      preview={preview.data}
      refusal={saving.refusal}
      onInput={(expression) => change(attribute.name, expression)}
    />
  );
  return (
    <Form class="stack" onSend={() => saving.save()} answer={saving.refusal}>
      {query.guide && <MappingGuide id={id} changed={draft.changed} />}
      <Section title={say.title}>
        <p class="muted small measure">{say.text}</p>
        <PersonField person={person} />
        {preview.error && <Refused error={preview.error} />}
        <Judged preview={preview.data} />
        <div class="mapping">
          {sent.map(row)}
          {strange.map((name) => (
            <UnknownRow
              key={name}
              name={name}
              expression={mapping[name] ?? ''}
              onRemove={() => change(name, undefined)}
            />
          ))}
        </div>
        {rest.length > 0 && (
          <details class="more-of">
            <summary>{say.more(rest.length)}</summary>
            <div class="mapping">{rest.map(row)}</div>
          </details>
        )}
        <SaveBar saving={saving} changed={draft.changed} discard={draft.discard} />
      </Section>
      <Variables variables={variables} preview={preview.data} />
    </Form>
  );
}

function MappingGuide({ id, changed }: { id: string; changed: boolean }) {
  return (
    <Guide current={3} text={addWords.mapped}>
      <LinkButton
        id="to-plan"
        label={addWords.toPlan}
        href={`/admin/targets/${id}/plan?guide=yes`}
        kind={changed ? 'quiet' : 'primary'}
      />
    </Guide>
  );
}

/** Attributes that are sent, those that are not, and names the connector does not know. */
function sorted({ attributes }: Connector, mapping: Mapping) {
  const known = new Set(attributes.map(({ name }) => name));
  const sent = attributes.filter(
    (one) => one.required || one.mapping !== undefined || mapping[one.name] !== undefined,
  );
  return {
    sent,
    rest: attributes.filter((one) => !sent.includes(one)),
    strange: Object.keys(mapping).filter((name) => !known.has(name)),
  };
}

interface Tried {
  typed: string;
  id?: string;
  unknown: boolean;
  type(username: string): void;
}

/** Whom the mapping is tried on: named in the address; somebody active while nobody is. */
function usePerson(): Tried {
  const [{ person: named }, filter] = useFilters('person', 'guide');
  const anybody = useLoad(named ? undefined : 'anybody', () =>
    call('GET /people', { query: { state: 'active', limit: 1 } }),
  );
  const [typed, setTyped] = useState(named);
  const usual = anybody.data?.items[0];
  const shown = typed || (usual?.username ?? '');
  const [found, setFound] = useState<{ username: string; id?: string }>();
  useEffect(() => {
    if (!typed) return undefined;
    const timer = setTimeout(() => {
      void findByUsername(typed).then((one) => {
        setFound({ username: typed, id: one?.id });
        if (one) filter('person', one.username);
      });
    }, 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const id = typed ? (found?.username === typed ? found.id : undefined) : usual?.id;
  return { typed: shown, id, unknown: found?.username === typed && found.id === undefined, type: setTyped };
}

function PersonField({ person }: { person: Tried }) {
  const suggestions = useUsernames(person.typed);
  return (
    <div class="try-on">
      <TextField
        name="person"
        label={say.person}
        help={say.personHelp}
        value={person.typed}
        onInput={person.type}
        suggestions={suggestions}
        error={person.unknown ? say.personUnknown : undefined}
        literal
        required
      />
    </div>
  );
}

/** The mapping on that person, a moment after one stops typing; what came out before stays until then. */
function usePreview(id: string, person: string | undefined, mapping: Mapping) {
  const [state, setState] = useState<{ data?: Preview; error?: Refusal }>({});
  const source = JSON.stringify(mapping);
  useEffect(() => {
    if (!person) return undefined;
    let late = false;
    const timer = setTimeout(() => {
      call('POST /targets/:id/preview', { params: { id }, body: { person, mapping } })
        .then((data) => {
          if (!late) setState({ data });
        })
        .catch((error: unknown) => {
          if (!(error instanceof Refusal)) throw error;
          if (!late) setState({ error });
        });
    }, 200);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [id, person, source]);
  return state;
}

function Judged({ preview }: { preview: Preview | undefined }) {
  if (!preview) return null;
  const { judgement, standing, faults } = preview;
  return (
    <div class="stack-s" aria-live="polite">
      {standing && (
        <Notice tone="info">
          {say.noAccount} {standing}
        </Notice>
      )}
      {faults.length > 0 && <Notice tone="danger">{say.faulty(faults.length)}</Notice>}
      {judgement && (judgement.why !== '' || judgement.standing !== 'managed') && (
        <Notice
          tone={
            judgement.standing === 'impossible' || judgement.standing === 'needs-alias' ? 'warning' : 'info'
          }
          title={say.judgements[judgement.standing] ?? judgement.standing}
        >
          {judgement.why && <p>{judgement.why}</p>}
          {judgement.frozen.length > 0 && (
            <p>
              {say.frozen}: {judgement.frozen.join(', ')}
            </p>
          )}
        </Notice>
      )}
    </div>
  );
}

function Variables(props: { variables: Record<string, string>; preview: Preview | undefined }) {
  const { variables, preview } = props;
  return (
    <Section title={say.variables}>
      <dl class="facts variables">
        {Object.entries(variables).map(([name, type]) => (
          <div key={name}>
            <dt>
              <code>{name}</code>
              <small>{type}</small>
            </dt>
            <dd>
              <span dir="auto">
                {written(preview?.variables[name]) ?? <span class="muted">{say.nothing}</span>}
              </span>
            </dd>
          </div>
        ))}
      </dl>
      <h3>{say.examples}</h3>
      <dl class="facts examples">
        {say.exampleList.map(([expression, meaning]) => (
          <div key={expression}>
            <dt>{meaning}</dt>
            <dd>
              <code>{expression}</code>
            </dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
