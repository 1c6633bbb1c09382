/** What is known about a kind of target, with where it stands and how far it can be trusted; contradictions are switches. */
import type { Refusal } from '#consoles/admin/web/client.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';
import type { Connector, ConnectorFact } from './target-connectors.ts';
import { faultOf, type Settings } from './target-save.tsx';

const say = setupWords;
const tones: Record<ConnectorFact['trust'], Tone> = {
  documented: 'success',
  reported: 'info',
  assumed: 'warning',
};
const shown = (value: ConnectorFact['value']) =>
  value === true ? say.yes : value === false ? say.no : value === '' ? '–' : String(value);

export function FactFields(props: {
  connector: Connector;
  settings: Settings;
  refusal: Refusal | undefined;
  onInput(settings: Settings): void;
}) {
  const { connector, settings, refusal, onInput } = props;
  const choose = (name: string, value: ConnectorFact['value'] | undefined) => {
    const { [name]: _, ...others } = settings.facts;
    onInput({ ...settings, facts: value === undefined ? others : { ...others, [name]: value } });
  };
  const isChoice = (one: ConnectorFact) => (one.choices?.length ?? 0) > 1;
  const rest = connector.profile.facts.filter((one) => !isChoice(one));
  const table = (caption: string, rows: readonly ConnectorFact[]) => (
    <Table
      caption={caption}
      rows={rows}
      keyOf={(one) => one.name}
      columns={[
        {
          title: say.fact,
          cell: (one) => (
            <>
              <code>{one.name}</code>
              <p class="help">{one.text}</p>
              {faultOf(refusal, `facts.${one.name}`) && (
                <p class="error">{faultOf(refusal, `facts.${one.name}`)}</p>
              )}
            </>
          ),
          breaks: true,
        },
        {
          title: say.factValue,
          cell: (one) => (
            <Switch
              fact={one}
              value={settings.facts[one.name]}
              onInput={(value) => choose(one.name, value)}
            />
          ),
        },
        {
          title: say.trust,
          cell: (one) => <Badge tone={tones[one.trust]} label={say.trusts[one.trust]} />,
          roomy: true,
        },
        {
          title: say.source,
          cell: (one) => (
            <span class="small">
              {one.source}, {one.date}
            </span>
          ),
          breaks: true,
          wide: true,
        },
      ]}
    />
  );
  return (
    <>
      <p class="muted small measure">{say.factsText}</p>
      {table(say.facts, connector.profile.facts.filter(isChoice))}
      {rest.length > 0 && (
        <details class="more-of">
          <summary>{say.moreFacts(rest.length)}</summary>
          {table(say.moreFacts(rest.length), rest)}
        </details>
      )}
    </>
  );
}

function Switch(props: {
  fact: ConnectorFact;
  value: ConnectorFact['value'] | undefined;
  onInput(value: ConnectorFact['value'] | undefined): void;
}) {
  const { fact, value, onInput } = props;
  if (!fact.choices || fact.choices.length < 2) return <span>{shown(value ?? fact.value)}</span>;
  const others = fact.choices.filter((one) => one !== fact.value);
  return (
    <select
      class="input narrow"
      aria-label={fact.name}
      value={value === undefined || value === fact.value ? '' : String(value)}
      onChange={(event) => onInput(others.find((one) => String(one) === event.currentTarget.value))}
    >
      <option value="">{say.asStands(shown(fact.value))}</option>
      {others.map((one) => (
        <option key={String(one)} value={String(one)}>
          {shown(one)}
        </option>
      ))}
    </select>
  );
}
