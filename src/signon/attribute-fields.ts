/** The community's own attributes as form fields: sign-up and account page draw them from the one declaration. */

import type { AttributeDeclaration } from '#core/people/attributes.ts';
import type { FormBody } from '#kit/http/server.ts';
import { checkbox, field, selectField } from '#kit/page/fields.ts';
import type { Html } from '#kit/page/html.ts';

const prefix = 'attribute_';

/** Reads the fields of these attributes from a posted form; what the form lacks is empty. */
export function readAttributeForm(
  form: FormBody,
  declared: readonly AttributeDeclaration[],
): Record<string, unknown> {
  return Object.fromEntries(declared.map((one) => [one.name, form.text(`${prefix}${one.name}`)]));
}

/** One attribute as the field that fits its kind. */
export function attributeField(
  one: AttributeDeclaration,
  value: unknown,
  locale: string,
  error: string | undefined,
): Html {
  const name = `${prefix}${one.name}`;
  const text = value === undefined || value === null ? '' : String(value);
  const base = { name, label: one.title, locale, help: one.help, error, required: one.required };
  switch (one.type) {
    case 'boolean':
      return checkbox({
        name,
        label: one.title,
        help: one.help,
        error,
        checked: text === 'true' || text === 'on',
      });
    case 'choice':
      return selectField({
        ...base,
        value: text || undefined,
        options: (one.choices ?? []).map((choice) => ({ value: choice, label: choice })),
      });
    case 'longText':
      return field({ ...base, value: text, rows: 4, maxlength: 4000 });
    case 'number':
      return field({ ...base, value: text, type: 'number' });
    case 'date':
      return field({ ...base, value: text, type: 'date' });
    case 'url':
      return field({ ...base, value: text, type: 'url', placeholder: 'https://', maxlength: 500 });
    case 'text':
      return field({ ...base, value: text, maxlength: 500 });
  }
}
