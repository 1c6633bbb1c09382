/**
 * Fields of forms: label above, help under the label, error below in words and tied to the input for screen readers.
 * Every one works without a script. `locale` is only for the part's own words ("optional", "Show").
 *
 *   field({ name, label, locale, id?, type?, value?, help?, error?, autocomplete?, required?, … })   one line, or `rows` for more
 *   passwordField({ name, label, locale, autocomplete: 'current-password' | 'new-password', id?, help?, error?, aside? })
 *   codeField({ label, locale, digits?, help?, error? })       id and name `code`, paste and one-time-code fill work
 *   selectField({ name, label, locale, options, value?, … })
 *   checkbox({ name, label, value?, checked?, help?, error? }) · radios({ name, legend, options, value?, error? }) · checkboxes(…)
 *   hiddenField(name, value) · usernameHint(username)
 *
 * ids: `id` defaults to `name`; help is `<id>-help`, error `<id>-error`.
 */
import type { AttributeValue, Html } from './html.ts';
import { attributes, html } from './html.ts';
import { icons } from './icons.ts';
import { pageWords } from './page.ts';

export interface FieldBase {
  name: string;
  label: string;
  locale: string;
  /** Defaults to `name`. */ id?: string;
  help?: string | Html;
  /** What is not right yet, as a sentence. */ error?: string;
  /** Default true; false says "optional" beside the label. */ required?: boolean;
  disabled?: boolean;
  /** A link or a word at the end of the label's line, as "Forgotten?". */ aside?: Html;
  /** A button in line with the input, as in a form of one field. */ beside?: Html;
  /** Optional without saying so, as a search. */ unmarked?: boolean;
}

export interface TextField extends FieldBase {
  type?: 'text' | 'email' | 'url' | 'tel' | 'search' | 'number' | 'date';
  value?: string;
  /** WCAG 1.3.5 input purpose, as `username`, `email`, `given-name`. */ autocomplete?: string;
  inputmode?: 'text' | 'numeric' | 'email' | 'url' | 'tel';
  autofocus?: boolean;
  readonly?: boolean;
  maxlength?: number;
  /** Names and codes are not words: no spell check, no capital letters. */ literal?: boolean;
  placeholder?: string;
  /** More than one line. */ rows?: number;
}

function idOf(base: { id?: string; name: string }): string {
  return base.id ?? base.name;
}

function describe(
  base: { id?: string; name: string; help?: unknown; error?: string },
  more?: string,
): string | undefined {
  const id = idOf(base);
  const ids = [base.help ? `${id}-help` : '', base.error ? `${id}-error` : '', more ?? ''].filter(Boolean);
  return ids.length === 0 ? undefined : ids.join(' ');
}

function errorLine(id: string, error: string | undefined): Html | undefined {
  return error ? html`<p class="error" id="${id}-error">${icons.danger}<span>${error}</span></p>` : undefined;
}

function frame(base: FieldBase, input: Html): Html {
  const id = idOf(base);
  const say = pageWords(base.locale);
  const optional =
    base.required === false && !base.unmarked && !base.aside
      ? html`<span class="aside optional">${say('optional')}</span>`
      : undefined;
  // What can be pressed comes after the input, wherever it is seen: whoever goes by keys types a name, presses Tab and
  // types the password, without looking.
  return html`<div class="field${base.aside ? ' linked' : ''}"><div class="label"><label for="${id}">${base.label}</label>${optional}</div>${
    base.help ? html`<p class="help" id="${id}-help">${base.help}</p>` : ''
  }${base.beside ? html`<div class="beside">${input}${base.beside}</div>` : input}${errorLine(id, base.error)}${base.aside ? html`<div class="aside">${base.aside}</div>` : ''}</div>`;
}

function common(base: FieldBase, more?: string): Record<string, AttributeValue> {
  return {
    id: idOf(base),
    name: base.name,
    required: base.required !== false,
    disabled: base.disabled ?? false,
    'aria-describedby': describe(base, more),
    'aria-invalid': base.error ? 'true' : undefined,
  };
}

/** Addresses and figures are read from left to right in every language. */
const ltr = new Set(['email', 'url', 'tel', 'number']);

/** A text field of one line, or of `rows` lines. */
export function field(input: TextField): Html {
  const list: Record<string, AttributeValue> = {
    ...common(input),
    class: 'input',
    autocomplete: input.autocomplete,
    inputmode: input.inputmode,
    autofocus: input.autofocus ?? false,
    readonly: input.readonly ?? false,
    maxlength: input.maxlength,
    placeholder: input.placeholder,
    dir: input.literal || (input.type && ltr.has(input.type)) ? 'ltr' : undefined,
    ...(input.literal ? { autocapitalize: 'none', autocorrect: 'off', spellcheck: 'false' } : {}),
  };
  if (input.rows)
    return frame(
      input,
      html`<textarea${attributes({ ...list, rows: input.rows })}>${'\n' + (input.value ?? '')}</textarea>`,
    );
  return frame(
    input,
    html`<input${attributes({ ...list, type: input.type ?? 'text', value: input.value })}>`,
  );
}

export interface PasswordField extends FieldBase {
  autocomplete: 'current-password' | 'new-password';
  autofocus?: boolean;
  minlength?: number;
}

/** A password field. The value is never sent back in a page. */
export function passwordField(input: PasswordField): Html {
  const id = idOf(input);
  const say = pageWords(input.locale);
  const list = attributes({
    ...common(input, `${id}-caps`),
    class: 'input',
    type: 'password',
    autocomplete: input.autocomplete,
    autofocus: input.autofocus ?? false,
    minlength: input.minlength,
    autocapitalize: 'none',
    spellcheck: 'false',
    passwordrules: input.autocomplete === 'new-password' ? `minlength: ${input.minlength ?? 8};` : undefined,
  });
  const show = html`<button class="inner" type="button" hidden aria-pressed="false" aria-label="${say('showPassword')}" aria-controls="${id}" data-show="${id}" data-show-label="${say('show')}" data-hide-label="${say('hide')}">${say('show')}</button>`;
  const caps = html`<p class="caps" id="${id}-caps" role="status" data-caps="${id}" hidden>${icons.warning}<span>${say('capsLock')}</span></p>`;
  return frame(input, html`<div class="joined"><input${list}>${show}</div>${caps}`);
}

/** One field for a typed code: pasting works, phones offer the code that has just arrived. */
export function codeField(
  input: Omit<FieldBase, 'name'> & { name?: string; digits?: number; autofocus?: boolean; value?: string },
): Html {
  const base = { ...input, name: input.name ?? 'code' };
  const list = attributes({
    ...common(base),
    class: 'input one-time',
    type: 'text',
    inputmode: 'numeric',
    autocomplete: 'one-time-code',
    dir: 'ltr',
    autocapitalize: 'none',
    spellcheck: 'false',
    // Wider than the code: people paste it with spaces and dashes, which the reader takes out.
    maxlength: (input.digits ?? 6) * 3,
    autofocus: input.autofocus ?? false,
    value: input.value,
  });
  return frame(base, html`<input${list}>`);
}

export interface Option {
  value: string;
  label: string;
  help?: string;
  disabled?: boolean;
}

export function selectField(
  input: FieldBase & { options: readonly Option[]; value?: string; autocomplete?: string },
): Html {
  const choose =
    input.value === undefined ? html`<option value="">${pageWords(input.locale)('choose')}</option>` : '';
  const options = input.options.map(
    (option) =>
      html`<option${attributes({ value: option.value, selected: option.value === input.value, disabled: option.disabled ?? false })}>${option.label}</option>`,
  );
  return frame(
    input,
    html`<select${attributes({ ...common(input), class: 'input', autocomplete: input.autocomplete })}>${choose}${options}</select>`,
  );
}

function choice(
  type: 'checkbox' | 'radio',
  id: string,
  list: Record<string, AttributeValue>,
  label: string | Html,
  help?: string | Html,
): Html {
  const described = [help ? `${id}-help` : '', list['aria-describedby'] ?? ''].filter(Boolean).join(' ');
  const all = attributes({ type, id, ...list, 'aria-describedby': described || undefined });
  return html`<div class="choice"><input${all}><label for="${id}">${label}</label>${help ? html`<p class="help" id="${id}-help">${help}</p>` : ''}</div>`;
}

export interface Checkbox {
  name: string;
  label: string | Html;
  id?: string;
  /** Default `on`. */ value?: string;
  checked?: boolean;
  required?: boolean;
  disabled?: boolean;
  help?: string | Html;
  error?: string;
}

export function checkbox(input: Checkbox): Html {
  const id = idOf(input);
  const list = {
    name: input.name,
    value: input.value ?? 'on',
    checked: input.checked ?? false,
    required: input.required ?? false,
    disabled: input.disabled ?? false,
    'aria-invalid': input.error ? 'true' : undefined,
    'aria-describedby': input.error ? `${id}-error` : undefined,
  };
  return html`<div>${choice('checkbox', id, list, input.label, input.help)}${errorLine(id, input.error)}</div>`;
}

export interface Choices {
  name: string;
  legend: string;
  options: readonly Option[];
  error?: string;
  help?: string;
}

function choices(
  type: 'checkbox' | 'radio',
  input: Choices,
  chosen: readonly string[],
  required: boolean,
): Html {
  const id = input.name;
  const items = input.options.map((option, index) => {
    const list = {
      name: input.name,
      value: option.value,
      checked: chosen.includes(option.value),
      required,
      disabled: option.disabled ?? false,
    };
    return choice(type, `${id}-${index}`, list, option.label, option.help);
  });
  const described = describe({ name: id, help: input.help, error: input.error });
  return html`<fieldset${attributes({ id, class: 'choices', 'aria-describedby': described })}><legend>${input.legend}</legend>${
    input.help ? html`<p class="help" id="${id}-help">${input.help}</p>` : ''
  }${items}${errorLine(id, input.error)}</fieldset>`;
}

/** One of several. */
export function radios(input: Choices & { value?: string; required?: boolean }): Html {
  return choices('radio', input, input.value === undefined ? [] : [input.value], input.required ?? true);
}

/** Any of several: arrives as repeated values, so the route declares the name in `config.lists`. */
export function checkboxes(input: Choices & { values?: readonly string[] }): Html {
  return choices('checkbox', input, input.values ?? [], false);
}

/**
 * Tells password managers whose password a form sets where the name is not asked: a text field, because they overlook
 * hidden ones, that nobody sees, reaches or hears. The route ignores what it sends.
 */
export function usernameHint(username: string): Html {
  return html`<input class="unseen" type="text" name="username" autocomplete="username" value="${username}" readonly tabindex="-1" aria-hidden="true">`;
}

export function hiddenField(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}">`;
}
