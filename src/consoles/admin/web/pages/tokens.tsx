/** `/admin/tokens`: programs that act as operators; a token's value is shown once, in answer to making it. */

import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { registrationWords, tokenWords } from '#consoles/admin/web/words-tokens.ts';
import { RoleFields, useRole } from './role-fields.tsx';
import { inDays, TokenMaker, TokenWithdrawal } from './token-parts.tsx';

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
  const chosen = useRole('auditor');
  return (
    <TokenMaker
      up={up}
      words={say}
      usualDays="90"
      fields={() => <RoleFields label={say.may} appLabel={say.app} chosen={chosen} />}
      onMake={({ name, days }) => {
        const { role, bound } = chosen;
        const expiresAt = days === '' ? undefined : inDays(days);
        return call('POST /tokens', { body: { name, scopes: [role], expiresAt, ...bound } });
      }}
    />
  );
}

/** /admin/tokens/:id/revoke */
export function TokenRemoval({ id }: { id: string }) {
  const { data, error } = useLoad('tokens to revoke', () => call('GET /tokens'));
  return (
    <TokenWithdrawal
      up={up}
      token={data ? data.items.find((one) => one.id === id) : null}
      error={error}
      words={say}
      onWithdraw={() => call('DELETE /tokens/:id', { params: { id } })}
    />
  );
}
