/** What holds for every app's mail: how much a day, how long the log stays, how long one can answer. */
import { useState } from 'preact/hooks';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';

type House = Answer<'GET /relay'>;

const names = ['perPerson', 'perApp', 'logDays', 'replyDays'] as const;
type Name = (typeof names)[number];
type Typed = Record<Name, string>;

const most: Record<Name, number> = {
  perPerson: 10_000_000,
  perApp: 10_000_000,
  logDays: 400,
  replyDays: 400,
};

const typedOf = ({ budgets, logDays, replyDays }: House): Typed => ({
  perPerson: String(budgets.perPerson),
  perApp: String(budgets.perApp),
  logDays: String(logDays),
  replyDays: String(replyDays),
});

function isRight(name: Name, text: string): boolean {
  return /^[1-9]\d{0,7}$/.test(text.trim()) && Number(text) <= most[name];
}

/**
 * Kept only over what was seen here: nobody's change is written over.
 * @param onKept told the version that was kept
 */
export function HouseSettings(props: { house: House; onKept(version: string): void }) {
  const { house, onKept } = props;
  const [typed, setTyped] = useState(() => typedOf(house));
  const [version, setVersion] = useState(house.version);
  const [tries, setTries] = useState(0);
  const [isSaved, setSaved] = useState(false);
  const { busy, refusal, act } = useAct(async () => {
    setSaved(false);
    setTries(tries + 1);
    if (!names.every((name) => isRight(name, typed[name]))) return;
    const [perPerson, perApp, logDays, replyDays] = names.map((name) => Number(typed[name]));
    const body = { budgets: { perPerson, perApp }, logDays, replyDays, version };
    const kept = await call('PATCH /relay', { body });
    setVersion(kept.version);
    forgetAll();
    onKept(kept.version);
    setSaved(true);
  });
  const field = (name: Name, label: string, wrong: string, help?: string) => (
    <TextField
      name={`house-${name}`}
      label={label}
      help={help}
      value={typed[name]}
      error={tries > 0 && !isRight(name, typed[name]) ? wrong : undefined}
      onInput={(text) => {
        setSaved(false);
        setTyped({ ...typed, [name]: text });
      }}
      maxLength={20}
      numeric
      required
    />
  );
  return (
    <Section title={say.forAll}>
      <Form onSend={act} answer={refusal}>
        <p class="muted small">{say.forAllText}</p>
        {refusal && <Refused error={refusal} />}
        {isSaved && (
          <Notice tone="success" live>
            {say.saved}
          </Notice>
        )}
        {field('perPerson', say.perPersonOfOne, say.budgetWrong)}
        {field('perApp', say.perAppOfOne, say.budgetWrong)}
        {field('logDays', say.logDays, say.daysWrong, say.logDaysHelp)}
        {field('replyDays', say.replyDays, say.daysWrong)}
        <div class="actions">
          <Button id="save-house" label={say.save} busy={busy} />
        </div>
      </Form>
    </Section>
  );
}
