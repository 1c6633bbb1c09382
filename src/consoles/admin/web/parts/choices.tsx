/** Fields one chooses in: one of a few, some of a few, yes or no, and a list of names that grows. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { words } from '#consoles/admin/web/words.ts';
import { Button } from './button.tsx';
import { TextField } from './fields.tsx';
import { Icon } from './icons.tsx';

export interface Choice<Value extends string> {
  value: Value;
  label: string;
  help?: string;
  disabled?: boolean;
}

interface ChoiceProps<Value extends string> {
  name: string;
  label: string;
  options: readonly Choice<Value>[];
  error?: string;
  /** The heading above says it already. */
  bare?: boolean;
}

function Wrong({ name, error }: { name: string; error?: string }) {
  if (!error) return null;
  return (
    <p class="error" id={`${name}-error`}>
      <Icon shape="danger" size={16} />
      {error}
    </p>
  );
}

/** One of a few, each with what it means. */
export function RadioField<Value extends string>(
  props: ChoiceProps<Value> & { value: Value; onInput(value: Value): void },
) {
  const { name, label, options, value, onInput, error, bare } = props;
  return (
    <fieldset class="choices">
      <legend class={bare ? 'unseen' : undefined}>{label}</legend>
      {options.map((one) => (
        <label class="choice" key={one.value}>
          <input
            type="radio"
            name={name}
            id={`${name}-${one.value}`}
            value={one.value}
            checked={one.value === value}
            disabled={one.disabled}
            onChange={() => onInput(one.value)}
          />
          <span>{one.label}</span>
          {one.help && <span class="help">{one.help}</span>}
        </label>
      ))}
      <Wrong name={name} error={error} />
    </fieldset>
  );
}

/** Some of a few. */
export function ChecksField<Value extends string>(
  props: ChoiceProps<Value> & { values: readonly Value[]; onInput(values: Value[]): void },
) {
  const { name, label, options, values, onInput, error } = props;
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {options.map((one) => (
        <label class="choice" key={one.value}>
          <input
            type="checkbox"
            name={name}
            id={`${name}-${one.value}`}
            checked={values.includes(one.value)}
            onChange={(event) =>
              onInput(
                options
                  .map(({ value }) => value)
                  .filter((value) =>
                    value === one.value ? event.currentTarget.checked : values.includes(value),
                  ),
              )
            }
          />
          <span>{one.label}</span>
          {one.help && <span class="help">{one.help}</span>}
        </label>
      ))}
      <Wrong name={name} error={error} />
    </fieldset>
  );
}

/** Mail addresses are the longest that is ever listed. */
const longestName = 320;

/**
 * Names one after another: added by Enter or the button, each taken out by its own. What was typed and not added yet is
 * added before the form it stands in is sent: nothing that somebody reads on the page is left behind.
 */
export function ListField(props: {
  name: string;
  label: string;
  help?: string;
  values: readonly string[];
  suggestions?: readonly string[];
  error?: string;
  onInput(values: string[]): void;
}) {
  const { name, label, help, values, suggestions, error, onInput } = props;
  const [typed, setTyped] = useState('');
  const add = () => {
    const one = typed.trim();
    if (one !== '' && !values.includes(one)) onInput([...values, one]);
    setTyped('');
  };
  const field = useRef<HTMLDivElement>(null);
  const adds = useRef<(() => void) | undefined>(undefined);
  adds.current = typed.trim() === '' ? undefined : add;
  useEffect(() => {
    const form = field.current?.closest('form');
    const before = (event: SubmitEvent) => {
      if (!adds.current) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      adds.current();
      // Sent once the page knows what was added.
      setTimeout(() => form?.requestSubmit());
    };
    form?.addEventListener('submit', before, { capture: true });
    return () => form?.removeEventListener('submit', before, { capture: true });
  }, []);
  return (
    <div class="list-field" ref={field}>
      <div class="beside">
        <TextField
          name={name}
          label={label}
          help={help}
          value={typed}
          onInput={setTyped}
          suggestions={suggestions}
          error={error}
          onEnter={add}
          maxLength={longestName}
          literal
          required
        />
        <Button
          id={`${name}-add`}
          label={words.add}
          describe={`${words.add}: ${label}`}
          kind="quiet"
          onClick={add}
        />
      </div>
      <ul class="chips" aria-label={label}>
        {values.map((one) => (
          <li key={one} class="chip">
            {one}
            <button
              type="button"
              aria-label={words.takeOutOf(one)}
              onClick={() => onInput(values.filter((other) => other !== one))}
            >
              <Icon shape="gone" size={12} />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
