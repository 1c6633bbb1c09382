/** What every kind of token has: a page that makes one and shows it once, and a page that withdraws it. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import type { Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { ShownOnce } from '#consoles/admin/web/parts/shown-once.tsx';
import { words } from '#consoles/admin/web/words.ts';

interface Place {
  href: string;
  label: string;
}

/** When what is made now and lasts so many days ends. */
export const inDays = (days: string): string =>
  new Date(Date.now() + Number(days) * 86_400_000).toISOString();

interface MakerProps {
  /** The list of them. */
  up: Place;
  words: {
    make: string;
    makeAct: string;
    name: string;
    nameHelp: string;
    lasts: string;
    lastsFor: Readonly<Record<string, string>>;
    made: string;
    token: string;
    done: string;
  };
  /** How many days one lasts where nothing else is chosen. */
  usualDays: string;
  /** The fields of this kind, between the name and how long it lasts; those in `named` show what is wrong with them. */
  fields(refusal: Refusal | undefined): ComponentChildren;
  named?: readonly string[];
  onMake(asked: { name: string; days: string }): Promise<{ token: string }>;
}

/** …/make */
export function TokenMaker(props: MakerProps) {
  const { up, words: say } = props;
  const [token, setToken] = useState<string>();
  if (token === undefined) return <TokenForm {...props} onMade={setToken} />;
  return (
    <ShownOnce
      title={say.make}
      up={up}
      said={say.made}
      facts={[{ name: say.token, value: '', copy: token }]}
      done={say.done}
    />
  );
}

function TokenForm(props: MakerProps & { onMade(token: string): void }) {
  const { up, words: say, usualDays, fields, named = [], onMake, onMade } = props;
  const [name, setName] = useState('');
  const [days, setDays] = useState(usualDays);
  const { busy, refusal, act } = useAct(async () => {
    const made = await onMake({ name, days });
    forgetAll();
    onMade(made.token);
  });
  const faults = Object.keys(refusal?.fields ?? {});
  const isSaid = faults.length > 0 && faults.every((one) => one === 'name' || named.includes(one));
  return (
    <Page title={say.make} up={up}>
      <section class="card narrow">
        <Elevated refusal={refusal}>
          <Form onSend={act} answer={refusal}>
            {refusal && !isSaid && <Refused error={refusal} />}
            <TextField
              name="name"
              label={say.name}
              help={say.nameHelp}
              value={name}
              onInput={setName}
              error={refusal?.fields.name}
              maxLength={120}
              required
            />
            {fields(refusal)}
            <SelectField
              name="lasts"
              label={say.lasts}
              value={days}
              onInput={setDays}
              options={Object.entries(say.lastsFor).map(([value, label]) => ({ value, label }))}
              required
            />
            <div class="actions">
              <Button id="make" label={say.makeAct} busy={busy} />
              <LinkButton label={words.cancel} href={up.href} />
            </div>
          </Form>
        </Elevated>
      </section>
    </Page>
  );
}

/** …/:id/revoke */
export function TokenWithdrawal(props: {
  up: Place;
  /** The one it is about: undefined where there is none by this id, and null until that is known. */
  token: { name: string } | undefined | null;
  error: Refusal | undefined;
  words: { revokeTitle(name: string): string; revokeText: string; revokeAct: string };
  onWithdraw(): Promise<unknown>;
}) {
  const { up, token, error, words: say, onWithdraw } = props;
  const { route } = useLocation();
  if (error) return <Refused error={error} />;
  if (token === null) return null;
  if (!token)
    return (
      <Page title={words.notFound} up={up}>
        <Empty title={words.notFound} text={words.notFoundText} action={up} />
      </Page>
    );
  return (
    <ConfirmPage
      title={say.revokeTitle(token.name)}
      up={up}
      act={say.revokeAct}
      danger
      onConfirm={async () => {
        await onWithdraw();
        route(up.href);
      }}
    >
      <p>{say.revokeText}</p>
    </ConfirmPage>
  );
}
