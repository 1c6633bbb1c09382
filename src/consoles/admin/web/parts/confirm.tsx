/** A page that asks before something is done: what will happen, why, and for what weighs more, a word to type. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll } from '#consoles/admin/web/load.ts';
import { words } from '#consoles/admin/web/words.ts';
import { Button, LinkButton } from './button.tsx';
import { Elevated } from './elevation.tsx';
import { TextField } from './fields.tsx';
import { Form } from './form.tsx';
import { Refused } from './notice.tsx';
import { Page } from './page.tsx';

export interface ConfirmProps {
  title: string;
  up: { href: string; label: string };
  /** What will happen. */
  children: ComponentChildren;
  /** What the button says: the act itself. */
  act: string;
  danger?: boolean;
  /** Asks for a sign-in no older than ten minutes. */
  elevated?: boolean;
  /** Must be typed exactly: a name, or how many it will be. */
  expect?: { label: string; text: string };
  /** Asks for a reason, which is kept. */
  reason?: { label: string; help?: string };
  /** More that has to be filled in, and whether it is; what is missing is then said there. */
  fields?: ComponentChildren;
  ready?(): boolean;
  /** False when something turned out to be missing, which is said at its field. */
  onConfirm(reason: string): Promise<unknown>;
}

export function ConfirmPage(props: ConfirmProps) {
  const { title, up, children, elevated } = props;
  const [refusal, setRefusal] = useState<Refusal>();
  const form = <ConfirmForm {...props} refusal={refusal} setRefusal={setRefusal} />;
  return (
    <Page title={title} up={up}>
      <section class="card narrow">
        <div class="prose">{children}</div>
        {elevated ? <Elevated refusal={refusal}>{form}</Elevated> : form}
      </section>
    </Page>
  );
}

function ConfirmForm(
  props: ConfirmProps & { refusal: Refusal | undefined; setRefusal(refusal: Refusal | undefined): void },
) {
  const { up, act, danger, expect, reason, fields, ready, onConfirm, refusal, setRefusal } = props;
  const [typed, setTyped] = useState('');
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const [missing, setMissing] = useState(false);
  const isRight = expect === undefined || typed.trim() === expect.text;
  const send = async () => {
    setMissing(true);
    const isFilled = ready?.() ?? true;
    if (!isRight || !isFilled || (reason && why.trim() === '')) return;
    setBusy(true);
    setRefusal(undefined);
    try {
      if ((await onConfirm(why.trim())) === false) setBusy(false);
      else forgetAll();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setRefusal(error);
      setBusy(false);
    }
  };
  return (
    <Form onSend={send} answer={refusal}>
      {refusal && <Refused error={refusal} />}
      {fields}
      {reason && (
        <TextField
          name="reason"
          label={reason.label}
          help={reason.help}
          value={why}
          onInput={setWhy}
          maxLength={500}
          long
          required
          error={missing && why.trim() === '' ? words.reasonMissing : refusal?.fields.reason}
        />
      )}
      {expect && (
        <TextField
          name="expect"
          label={expect.label}
          value={typed}
          onInput={setTyped}
          literal
          required
          error={missing && !isRight ? words.typedWrong(expect.text) : undefined}
        />
      )}
      <div class="actions">
        <Button id="confirm" label={act} kind={danger ? 'danger' : 'primary'} busy={busy} />
        <LinkButton label={words.cancel} href={up.href} kind="quiet" />
      </div>
    </Form>
  );
}
