/** `/admin/tokens`: programs that act as operators; a token's value is shown once, in answer to making it. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Answer, call, Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { registrationWords, tokenWords } from '#consoles/admin/web/words-tokens.ts';
import { RoleFields, useRole } from './role-fields.tsx';

const say = tokenWords;
const up = { href: '/admin/tokens', label: words.tokens };
type Token = Answer<'GET /tokens'>['items'][number];

function TokenState({ token }: { token: Token }) {
  if (token.revokedAt) return <Badge tone="neutral" label={say.revoked} />;
  if (token.expiresAt && Date.parse(token.expiresAt) < Date.now())
    return <Badge tone="neutral" label={say.ended} />;
  if (token.rests) return <Badge tone="warning" label={say.rests[token.rests]} />;
  return <Badge tone="success" label={say.works} />;
}

const columns: Column<Token>[] = [
  { title: say.name, cell: (one) => <span dir="auto">{one.name}</span>, breaks: true },
  {
    title: say.may,
    cell: (one) =>
      [...one.roles.map((role) => words.roleNames[role]), one.application].filter(Boolean).join(', '),
  },
  { title: say.state, cell: (one) => <TokenState token={one} /> },
  { title: say.madeBy, cell: (one) => one.makerName ?? one.createdBy.name ?? '', wide: true },
  {
    title: say.lastUsed,
    cell: (one) => (one.lastUsedAt ? <Time at={one.lastUsedAt} /> : <span class="muted">{words.never}</span>),
  },
  {
    title: say.ends,
    cell: (one) => (one.expiresAt ? <Time at={one.expiresAt} /> : <span class="muted">{words.never}</span>),
    wide: true,
  },
];

export function TokensPage() {
  const { can } = useSession();
  const pages = usePages('tokens', () => call('GET /tokens'));
  const mayWrite = can('tokens.write');
  const make = { label: say.make, href: '/admin/tokens/make' };
  const revoke: Column<Token> = {
    title: words.doing,
    does: true,
    cell: (one) =>
      !one.revokedAt && <LinkButton label={say.revoke} href={`/admin/tokens/${one.id}/revoke`} compact />,
  };
  return (
    <Page
      title={words.tokens}
      lede={say.lede}
      actions={
        <>
          <LinkButton
            id="registration-tokens"
            label={registrationWords.title}
            href="/admin/tokens/registration"
            compact
          />
          {mayWrite && <LinkButton id="make-token" {...make} kind="primary" compact />}
        </>
      }
    >
      <PagedTable
        caption={words.tokens}
        pages={pages}
        keyOf={(one) => one.id}
        empty={<Empty title={say.none} text={say.noneText} action={mayWrite ? make : undefined} />}
        columns={mayWrite ? [...columns, revoke] : columns}
      />
    </Page>
  );
}

/** /admin/tokens/make */
export function TokenMaking() {
  const [token, setToken] = useState<string>();
  const [refusal, setRefusal] = useState<Refusal>();
  return (
    <Page title={say.make} up={up}>
      <section class="card narrow">
        {token === undefined ? (
          <Elevated refusal={refusal}>
            <TokenForm refusal={refusal} onRefused={setRefusal} onMade={setToken} />
          </Elevated>
        ) : (
          <>
            <Notice tone="success" live>
              {say.made}
            </Notice>
            <Facts facts={[{ name: say.token, value: '', copy: token }]} />
            <div class="actions">
              <LinkButton label={say.done} href={up.href} />
            </div>
          </>
        )}
      </section>
    </Page>
  );
}

function TokenForm(props: {
  refusal: Refusal | undefined;
  onRefused(refusal: Refusal | undefined): void;
  onMade(token: string): void;
}) {
  const { refusal, onRefused, onMade } = props;
  const [name, setName] = useState('');
  const chosen = useRole('auditor');
  const [days, setDays] = useState('90');
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    onRefused(undefined);
    const expiresAt =
      days === '' ? undefined : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
    try {
      const { role, bound } = chosen;
      const made = await call('POST /tokens', { body: { name, scopes: [role], expiresAt, ...bound } });
      forgetAll();
      onMade(made.token);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      onRefused(error);
      setBusy(false);
    }
  };
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      {refusal && <Refused error={refusal} />}
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
      <RoleFields label={say.may} appLabel={say.app} chosen={chosen} />
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
    </form>
  );
}

/** /admin/tokens/:id/revoke */
export function TokenRemoval({ id }: { id: string }) {
  const { route } = useLocation();
  const { data, error } = useLoad('tokens to revoke', () => call('GET /tokens'));
  const token = data?.items.find((one) => one.id === id);
  if (error) return <Refused error={error} />;
  if (!data) return null;
  if (!token)
    return (
      <Empty
        title={words.notFound}
        text={words.notFoundText}
        action={{ label: words.tokens, href: up.href }}
      />
    );
  return (
    <ConfirmPage
      title={say.revokeTitle(token.name)}
      up={up}
      act={say.revokeAct}
      danger
      onConfirm={async () => {
        await call('DELETE /tokens/:id', { params: { id } });
        route(up.href);
      }}
    >
      <p>{say.revokeText}</p>
    </ConfirmPage>
  );
}
