/** One attribute of a mapping: its expression, and what it comes out as for the person it is tried on. */
import type { Refusal } from '#consoles/admin/web/client.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { written } from '#consoles/admin/web/parts/verdict.tsx';
import { mappingWords } from '#consoles/admin/web/words-target-setup.ts';
import type { Connector } from './target-connectors.ts';
import type { Preview } from './target-mapping.tsx';
import { faultOf } from './target-save.tsx';

const say = mappingWords;
type Attribute = Connector['attributes'][number];

/** @param given what the administrator wrote; undefined leaves it to the connector, empty sends nothing */
export function AttributeRow(props: {
  attribute: Attribute;
  given: string | undefined;
  preview: Preview | undefined;
  refusal: Refusal | undefined;
  onInput(expression: string | undefined): void;
}) {
  const { attribute, given, preview, refusal, onInput } = props;
  const { name, text, required, managedOnly, mapping: usual } = attribute;
  const expression = given ?? usual ?? '';
  const fault = preview?.faults.find((one) => one.attribute === name);
  const refused = faultOf(refusal, `mapping.${name}`);
  const change = (typed: string) => {
    // Nothing written and nothing sent by itself is the same as never touched.
    onInput(typed === usual || (typed === '' && usual === undefined) ? undefined : typed);
  };
  return (
    <div class="mapped">
      <div class="mapped-name">
        <code>{name}</code>
        <p class="help">{text}</p>
        <span class="row">
          {required && <Badge tone="info" label={say.required} />}
          {managedOnly && <Badge tone="neutral" label={say.managedOnly} />}
          {given !== undefined && <Badge tone="warning" label={say.changed} />}
        </span>
      </div>
      <div class="mapped-source">
        <TextField
          name={`mapping-${name}`}
          label={say.expression(name)}
          value={expression}
          onInput={change}
          error={fault ? `${say.position(fault.position + 1)} ${fault.text}` : refused}
          maxLength={1000}
          code
          bare
          required
        />
        {fault && fault.position > 0 && <Where expression={expression} at={fault.position} />}
        {given !== undefined && usual !== undefined && (
          <Button
            label={say.usual}
            describe={say.usualOf(name)}
            kind="plain"
            compact
            onClick={() => onInput(undefined)}
          />
        )}
      </div>
      <Outcome expression={expression} fault={fault !== undefined} value={preview?.attributes[name]} />
    </div>
  );
}

function Outcome(props: { expression: string; fault: boolean; value: unknown }) {
  const { expression, fault, value } = props;
  if (fault) return <output class="mapped-value" />;
  const text = written(value);
  return (
    <output class="mapped-value">
      {text === undefined ? (
        <span class="muted">{expression.trim() === '' ? say.notSent : say.nothing}</span>
      ) : (
        <span dir="auto">{text}</span>
      )}
    </output>
  );
}

/** Where in the expression it went wrong, to be seen. */
function Where({ expression, at }: { expression: string; at: number }) {
  return (
    <p class="where" aria-hidden="true">
      <code>
        {expression.slice(0, at)}
        <mark>{expression.slice(at, at + 1) || '␣'}</mark>
        {expression.slice(at + 1)}
      </code>
    </p>
  );
}

/** An attribute the connector does not have: shown, refused, and only to be taken out. */
export function UnknownRow(props: { name: string; expression: string; onRemove(): void }) {
  const { name, expression, onRemove } = props;
  return (
    <div class="mapped">
      <div class="mapped-name">
        <code>{name}</code>
      </div>
      <div class="mapped-source">
        <code>{expression}</code>
        <p class="error">{say.unknownAttribute}</p>
      </div>
      <div class="mapped-value">
        <Button
          label={say.takeOut}
          describe={`${say.takeOut}: ${name}`}
          kind="quiet"
          compact
          onClick={onRemove}
        />
      </div>
    </div>
  );
}
