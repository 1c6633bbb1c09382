/** Who gets an account, which groups are pushed, what becomes of leavers, the mode, limits and the brake, as fields. */
import { useEffect, useState } from 'preact/hooks';
import { call, type Refusal } from '#consoles/admin/web/client.ts';
import { ChecksField, ListField, RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';
import type { Connector } from './target-connectors.ts';
import { numberOf } from './target-options.tsx';
import { faultOf, type Settings } from './target-save.tsx';

const say = setupWords;

export interface RuleProps {
  settings: Settings;
  connector: Connector;
  refusal: Refusal | undefined;
  onInput(settings: Settings): void;
  /** A heading above says already what it is about. */
  bare?: boolean;
}

/** Names of groups, for fields that name some. There are few beside the people: the first page is enough to suggest. */
export function useGroupNames(): string[] {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    call('GET /groups', { query: { limit: 200 } })
      .then(({ items }) => setNames(items.map((one) => one.name)))
      // The field works without suggestions.
      .catch(() => undefined);
  }, []);
  return names;
}

export function WhoFields({ settings, connector, refusal, onInput }: RuleProps) {
  const names = useGroupNames();
  const { scope, groups } = settings;
  const pushes = typeof groups === 'string' ? groups : 'some';
  return (
    <>
      <RadioField
        name="scope"
        label={say.scope}
        value={scope.groups ? 'groups' : 'all'}
        options={(['all', 'groups'] as const).map((value) => ({ value, label: say.scopes[value] }))}
        onInput={(value) => {
          const { groups: _, ...rest } = scope;
          onInput({ ...settings, scope: value === 'all' ? rest : { ...rest, groups: [] } });
        }}
      />
      {scope.groups && (
        <ListField
          name="scope-group"
          label={say.scopeGroups}
          values={scope.groups}
          suggestions={names}
          error={faultOf(refusal, 'scope.groups')}
          onInput={(some) => onInput({ ...settings, scope: { ...scope, groups: some } })}
        />
      )}
      <p class="muted small">{say.scopeHelp}</p>
      <ChecksField
        name="inactive"
        label={say.inactive}
        values={scope.inactiveStates}
        options={(['locked', 'suspended'] as const).map((value) => ({
          value,
          label: say.inactiveStates[value],
        }))}
        onInput={(inactiveStates) => onInput({ ...settings, scope: { ...scope, inactiveStates } })}
      />
      {connector.capabilities.groups === true && (
        <RadioField
          name="pushes"
          label={say.pushed}
          value={pushes}
          options={(['none', 'all', 'some'] as const).map((value) => ({ value, label: say.pushes[value] }))}
          onInput={(value) => onInput({ ...settings, groups: value === 'some' ? [] : value })}
        />
      )}
      {typeof groups !== 'string' && (
        <ListField
          name="push-group"
          label={say.pushGroups}
          values={groups}
          suggestions={names}
          error={faultOf(refusal, 'groups')}
          onInput={(some) => onInput({ ...settings, groups: some })}
        />
      )}
    </>
  );
}

export function LeaverFields({ settings, connector, refusal, onInput, bare }: RuleProps) {
  const { leaver } = settings;
  return (
    <>
      <RadioField
        name="leaver"
        label={say.leaver}
        bare={bare}
        value={leaver.rule}
        error={faultOf(refusal, 'leaver.rule')}
        options={(['deactivate', 'delete'] as const).map((value) => ({
          value,
          label: say.leaverRules[value],
          disabled: value === 'delete' && connector.capabilities.delete !== true,
        }))}
        onInput={(rule) => onInput({ ...settings, leaver: { ...leaver, rule } })}
      />
      <p class="muted small">{say.leaverHelp}</p>
      {leaver.rule === 'delete' && (
        <NumberField
          name="delete-after"
          label={say.deleteAfter}
          value={leaver.deleteAfterDays}
          placeholder="0"
          error={faultOf(refusal, 'leaver.deleteAfterDays')}
          onInput={(deleteAfterDays) => onInput({ ...settings, leaver: { ...leaver, deleteAfterDays } })}
        />
      )}
    </>
  );
}

export function ModeFields({ settings, onInput }: Pick<RuleProps, 'settings' | 'onInput'>) {
  const modes = ['off', 'observe', 'plan', 'automatic'] as const;
  return (
    <RadioField
      name="mode"
      label={say.mode}
      bare
      value={settings.mode}
      options={modes.map((value) => ({ value, label: say.modes[value][0], help: say.modes[value][1] }))}
      onInput={(mode) => onInput({ ...settings, mode })}
    />
  );
}

export function LimitFields({ settings, connector, refusal, onInput }: RuleProps) {
  const { limits } = settings;
  const names = Object.keys(say.limitNames) as (keyof typeof say.limitNames)[];
  return (
    <div class="fields-grid">
      {names.map((name) => (
        <NumberField
          key={name}
          name={`limit-${name}`}
          label={say.limitNames[name]}
          value={limits[name]}
          placeholder={String(connector.limits[name] ?? '')}
          error={faultOf(refusal, `limits.${name}`)}
          onInput={(value) => onInput({ ...settings, limits: { ...limits, [name]: value } })}
        />
      ))}
      {(['attempts', 'sweepHours'] as const).map((name) => (
        <NumberField
          key={name}
          name={name}
          label={say[name]}
          value={settings[name]}
          error={faultOf(refusal, name)}
          onInput={(value) => onInput({ ...settings, [name]: value })}
        />
      ))}
    </div>
  );
}

export function BrakeFields({ settings, refusal, onInput }: RuleProps) {
  const { brake } = settings;
  const names = Object.keys(say.brakeNames) as (keyof typeof say.brakeNames)[];
  return (
    <>
      <p class="muted small">{say.brakeText}</p>
      <div class="fields-grid">
        {names.map((name) => (
          <NumberField
            key={name}
            name={`brake-${name}`}
            label={say.brakeNames[name]}
            value={brake[name]}
            scale={name === 'share' ? 100 : 1}
            error={faultOf(refusal, `brake.${name}`)}
            onInput={(value) => onInput({ ...settings, brake: { ...brake, [name]: value } })}
          />
        ))}
      </div>
    </>
  );
}

/** A number, or nothing: then what the placeholder says holds. What is no number is kept and refused in words. */
function NumberField(props: {
  name: string;
  label: string;
  value: number | string | undefined;
  placeholder?: string;
  /** How many times larger it is written. */
  scale?: number;
  error?: string;
  // biome-ignore lint/suspicious/noExplicitAny: what was typed goes to the house as it is, which says what is wrong
  onInput(value: any): void;
}) {
  const { name, label, value, placeholder, scale = 1, error, onInput } = props;
  const shown = (one: unknown) =>
    typeof one === 'number' ? String(Number((one * scale).toPrecision(12))) : String(one ?? '');
  const [typed, setTyped] = useState(shown(value));
  const [told, setTold] = useState<unknown>(value);
  // Something else than what was typed here: discarded, or changed elsewhere.
  const text = told === value ? typed : shown(value);
  return (
    <TextField
      name={name}
      label={label}
      value={text}
      placeholder={placeholder}
      error={typeof value === 'string' ? say.numberWrong : error}
      numeric
      literal
      required={placeholder === undefined}
      onInput={(next) => {
        const read = next.trim() === '' ? undefined : numberOf(next);
        const meant = typeof read === 'number' ? read / scale : read;
        setTyped(next);
        setTold(meant);
        onInput(meant);
      }}
    />
  );
}
