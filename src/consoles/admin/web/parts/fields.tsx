/** Fields: label above, help below it, error under the field in words. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { words } from '#consoles/admin/web/words.ts';
import { Icon } from './icons.tsx';

export interface Option {
  value: string;
  label: string;
}

interface FieldProps {
  name: string;
  label: string;
  help?: string;
  error?: string;
  value: string;
  onInput(value: string): void;
  required?: boolean;
}

function Around(props: FieldProps & { bare?: boolean; children: preact.ComponentChildren }) {
  const { name, label, help, error, required, bare, children } = props;
  return (
    <div class="field">
      <label class={bare ? 'unseen' : 'label'} for={name}>
        {label}
        {!required && <span class="optional">{words.optional}</span>}
      </label>
      {help && (
        <p class="help" id={`${name}-help`}>
          {help}
        </p>
      )}
      {children}
      {error && (
        <p class="error" id={`${name}-error`}>
          <Icon shape="danger" size={16} />
          {error}
        </p>
      )}
    </div>
  );
}

const describedBy = ({ name, help, error }: FieldProps) =>
  [help && `${name}-help`, error && `${name}-error`].filter(Boolean).join(' ') || undefined;

export function TextField(
  props: FieldProps & {
    maxLength?: number;
    long?: boolean;
    literal?: boolean;
    /** Texts, or values with what they stand for. */
    suggestions?: readonly (string | Option)[];
    /** Written with letters of one width. */
    code?: boolean;
    /** What is typed is not shown, and no browser keeps it. */
    secret?: boolean;
    placeholder?: string;
    numeric?: boolean;
    /** A label that stands elsewhere on the page. */
    bare?: boolean;
    rows?: number;
    /** What Enter does here, instead of sending the form. */
    onEnter?(): void;
  },
) {
  const { name, value, onInput, error, required, maxLength, long, literal, suggestions } = props;
  const { code, secret, placeholder, numeric, rows = 3, onEnter } = props;
  const shared = {
    class: code ? 'input code' : 'input',
    id: name,
    name,
    value,
    required,
    maxLength,
    'aria-invalid': error ? true : undefined,
    'aria-describedby': describedBy(props),
    autocomplete: secret ? ('new-password' as const) : ('off' as const),
    placeholder,
    inputMode: numeric ? ('decimal' as const) : undefined,
    spellcheck: !literal && !secret,
    ...((literal || code) && { autocapitalize: 'none' as const, dir: 'ltr' as const }),
  };
  return (
    <Around {...props}>
      {long ? (
        <textarea {...shared} rows={rows} onInput={(event) => onInput(event.currentTarget.value)} />
      ) : (
        <input
          {...shared}
          {...(secret
            ? { type: 'password' as const }
            : { type: 'text' as const, list: suggestions && `${name}-list` })}
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || !onEnter) return;
            event.preventDefault();
            onEnter();
          }}
        />
      )}
      {suggestions && (
        <datalist id={`${name}-list`}>
          {suggestions.map((one) =>
            typeof one === 'string' ? (
              <option key={one} value={one} />
            ) : (
              <option key={one.value} value={one.value} label={one.label} />
            ),
          )}
        </datalist>
      )}
    </Around>
  );
}

export function SelectField(props: FieldProps & { options: readonly Option[] }) {
  const { name, value, onInput, error, options } = props;
  return (
    <Around {...props}>
      <select
        class="input"
        id={name}
        name={name}
        value={value}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy(props)}
        onChange={(event) => onInput(event.currentTarget.value)}
      >
        {options.map((one) => (
          <option key={one.value} value={one.value}>
            {one.label}
          </option>
        ))}
      </select>
    </Around>
  );
}

/** Filters while one types; the slash key leads to it, Escape empties it. */
export function FilterField(props: { label: string; value: string; onFilter(value: string): void }) {
  const { label, value, onFilter } = props;
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const sent = useRef(value);
  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => {
    if (text.trim() === sent.current) return undefined;
    const timer = setTimeout(() => {
      sent.current = text.trim();
      onFilter(sent.current);
    }, 150);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const busy =
        event.target instanceof HTMLElement && /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (event.key !== '/' || busy || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  return (
    <div class="filter">
      <Icon shape="search" size={16} />
      <input
        ref={field}
        class="input"
        type="search"
        id="filter"
        aria-label={label}
        aria-keyshortcuts="/"
        placeholder={label}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setText('');
        }}
      />
      <kbd>/</kbd>
    </div>
  );
}

/** One of a few, beside a filter. */
export function FilterSelect(props: {
  label: string;
  value: string;
  options: readonly Option[];
  onFilter(value: string): void;
}) {
  const { label, value, options, onFilter } = props;
  return (
    <select
      class="input narrow"
      aria-label={label}
      value={value}
      onChange={(event) => onFilter(event.currentTarget.value)}
    >
      {options.map((one) => (
        <option key={one.value} value={one.value}>
          {one.label}
        </option>
      ))}
    </select>
  );
}
