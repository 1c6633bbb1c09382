/** What kind of message an app's mail is: rules in order, of which the first that fits decides. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call, type Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';

type App = Answer<'GET /applications/:id/relay'>;
type Rule = NonNullable<App['settings']>['messageClasses'][number];
type Class = Rule['class'];

const classes = Object.keys(say.classes) as Class[];
const parts = ['sender', 'subject', 'listId'] as const;
type Part = (typeof parts)[number];

/** A rule as it is typed: what it does not name is empty. */
type Typed = { class: Class } & Record<Part, string>;

const typedOf = ({ class: kind, sender = '', subject = '', listId = '' }: Rule): Typed => ({
  class: kind,
  sender,
  subject,
  listId,
});

function ruleOf(typed: Typed): Rule {
  const named = parts.filter((part) => typed[part].trim() !== '');
  return { class: typed.class, ...Object.fromEntries(named.map((part) => [part, typed[part].trim()])) };
}

const isEmpty = (typed: Typed) => parts.every((part) => typed[part].trim() === '');

/** How the forms of one app keep what is typed: over what was seen of it, and over nobody's change. */
export interface Keeping {
  id: string;
  version: string;
  onKept(kept: App): void;
}

/** @param props.keeping left out: rules to look at */
export function Rules({ rules, keeping }: { rules: readonly Rule[]; keeping?: Keeping }) {
  return (
    <Section title={say.rules}>
      <p class="small muted">{rules.length === 0 && !keeping ? say.noRules : say.rulesText}</p>
      {keeping ? <RulesForm rules={rules} {...keeping} /> : <RulesTable rules={rules} />}
    </Section>
  );
}

function RulesTable({ rules }: { rules: readonly Rule[] }) {
  if (rules.length === 0) return null;
  return (
    <Table
      caption={say.rules}
      rows={rules}
      keyOf={(one) => JSON.stringify(one)}
      columns={[
        { title: say.class, cell: (one) => say.classes[one.class] },
        {
          title: say.fits,
          cell: (one) =>
            parts
              .filter((part) => one[part])
              .map((part) => `${say.ruleParts[part]} ${one[part]}`)
              .join(' · '),
          breaks: true,
        },
      ]}
    />
  );
}

function RulesForm({ rules, id, version, onKept }: Keeping & { rules: readonly Rule[] }) {
  const [typed, setTyped] = useState(() => rules.map(typedOf));
  /** As it was sent last: what was refused is said of a rule wherever it has been moved since. */
  const [sent, setSent] = useState<readonly Typed[]>([]);
  const [isSaved, setSaved] = useState(false);
  const change = (next: Typed[]) => {
    setSaved(false);
    setTyped(next);
  };
  const { busy, refusal, act } = useAct(async () => {
    setSent(typed);
    if (typed.some(isEmpty)) return;
    const body = { messageClasses: typed.map(ruleOf), version };
    const kept = await call('PATCH /applications/:id/relay', { params: { id }, body });
    forgetAll();
    onKept(kept);
    setSaved(true);
  });
  const faultOf = (rule: Typed, part: Part) => faultAt(refusal, sent.indexOf(rule), rule, part);
  const isSaid = typed.some((rule) => parts.some((part) => faultOf(rule, part) !== undefined));
  return (
    <Form class="stack" onSend={act} answer={refusal}>
      {refusal && !isSaid && <Refused error={refusal} />}
      {isSaved && (
        <Notice tone="success" live>
          {say.saved}
        </Notice>
      )}
      <RuleRows rules={typed} faultOf={faultOf} onInput={change} />
      <div class="actions">
        <Button id="save-rules" label={say.saveRules} busy={busy} />
        <Button
          id="add-rule"
          label={say.addRule}
          kind="quiet"
          onClick={() => change([...typed, { class: 'notification', sender: '', subject: '', listId: '' }])}
        />
      </div>
    </Form>
  );
}

/** @param at where the rule stood in what was sent; -1 for one that was changed since */
function faultAt(refusal: Refusal | undefined, at: number, rule: Typed, part: Part): string | undefined {
  if (at < 0) return undefined;
  if (part === 'sender' && isEmpty(rule)) return say.ruleEmpty;
  const place = `messageClasses.${at}`;
  return refusal?.fields[`${place}.${part}`] ?? (part === 'sender' ? refusal?.fields[place] : undefined);
}

function RuleRows(props: {
  rules: readonly Typed[];
  faultOf(rule: Typed, part: Part): string | undefined;
  onInput(rules: Typed[]): void;
}) {
  const { rules, faultOf, onInput } = props;
  const [told, setTold] = useState('');
  const move = (at: number, to: number) => {
    const next = [...rules];
    next.splice(to, 0, ...next.splice(at, 1));
    onInput(next);
    setTold(say.ruleMoved(to + 1));
    // The focus goes along, so that the next press moves the same rule on.
    document.getElementById(`rule-${to}-${to < at ? 'up' : 'down'}`)?.focus();
  };
  const remove = (at: number) => {
    onInput(rules.filter((_, index) => index !== at));
    document.getElementById('add-rule')?.focus();
  };
  return (
    <div class="stack-s">
      {rules.map((rule, at) => (
        <fieldset class="mail-rule" key={at}>
          <legend class="unseen">{say.ruleNumber(at + 1)}</legend>
          <RuleFields
            at={at}
            rule={rule}
            faultOf={(part) => faultOf(rule, part)}
            onInput={(changed) => onInput(rules.map((one, index) => (index === at ? changed : one)))}
          />
          <div class="rule-acts">
            <Button
              id={`rule-${at}-up`}
              label="↑"
              describe={say.ruleUp(at + 1)}
              kind="plain"
              compact
              disabled={at === 0}
              onClick={() => move(at, at - 1)}
            />
            <Button
              id={`rule-${at}-down`}
              label="↓"
              describe={say.ruleDown(at + 1)}
              kind="plain"
              compact
              disabled={at === rules.length - 1}
              onClick={() => move(at, at + 1)}
            />
            <Button
              id={`rule-${at}-take`}
              label="×"
              describe={say.takeRule(at + 1)}
              kind="plain"
              compact
              onClick={() => remove(at)}
            />
          </div>
        </fieldset>
      ))}
      <p class="unseen" aria-live="polite">
        {told}
      </p>
    </div>
  );
}

function RuleFields(props: {
  at: number;
  rule: Typed;
  faultOf(part: Part): string | undefined;
  onInput(rule: Typed): void;
}) {
  const { at, rule, faultOf, onInput } = props;
  return (
    <div class="rule-fields">
      <SelectField
        name={`rule-${at}-class`}
        label={say.class}
        value={rule.class}
        required
        options={classes.map((value) => ({ value, label: say.classes[value] }))}
        onInput={(kind) => onInput({ ...rule, class: kind as Class })}
      />
      {parts.map((part) => (
        <TextField
          key={part}
          name={`rule-${at}-${part}`}
          label={say.ruleParts[part]}
          value={rule[part]}
          error={faultOf(part)}
          literal
          onInput={(text) => onInput({ ...rule, [part]: text })}
        />
      ))}
    </div>
  );
}
