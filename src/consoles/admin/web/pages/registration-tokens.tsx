/** `/admin/tokens/registration`: tokens with which apps register themselves, and which apps each one let in. */
import { useState } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { registrationWords } from '#consoles/admin/web/words-tokens.ts';
import { inDays, TokenMaker, TokenWithdrawal } from './token-parts.tsx';

const say = registrationWords;
const tokens = { href: '/admin/tokens', label: words.tokens };
const up = { href: '/admin/tokens/registration', label: say.title };
type Listed = Answer<'GET /registration-tokens'>;
type Token = Listed['items'][number];

const useTokens = () => useLoad('registration tokens', () => call('GET /registration-tokens'));

export function RegistrationTokensPage() {
  const { can } = useSession();
  const { data, error, slow, reload } = useTokens();
  const mayWrite = can('tokens.write');
  const make = { label: say.make, href: `${up.href}/make` };
  return (
    <Page
      title={say.title}
      up={tokens}
      lede={say.lede}
      actions={mayWrite && <LinkButton id="make-registration-token" {...make} kind="primary" compact />}
    >
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={6} />}
      {data && !data.isOpen && (
        <Notice tone="info" title={say.closed}>
          {say.closedText}
        </Notice>
      )}
      {data?.items.length === 0 && (
        <Empty title={say.none} text={say.noneText} action={mayWrite ? make : undefined} />
      )}
      {data && data.items.length > 0 && <Tokens items={data.items} mayWrite={mayWrite} />}
      {data && data.former.length > 0 && (
        <Section title={say.former}>
          <Apps apps={data.former} />
        </Section>
      )}
    </Page>
  );
}

function Apps({ apps }: { apps: Token['apps'] }) {
  return (
    <ul class="outcomes">
      {apps.map((one) => (
        <li key={one.id}>
          <a href={`/admin/apps/${one.id}`}>{one.title}</a>{' '}
          <span class="muted small">
            <Time at={one.at} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Tokens({ items, mayWrite }: { items: readonly Token[]; mayWrite: boolean }) {
  const isOver = (one: Token) => one.usesLeft === 0 || Date.parse(one.expiresAt) < Date.now();
  return (
    <Table
      caption={say.title}
      rows={items}
      keyOf={(one) => one.id}
      columns={[
        { title: say.name, cell: (one) => <span dir="auto">{one.name}</span>, breaks: true },
        { title: say.usesLeft, cell: (one) => one.usesLeft, number: true },
        {
          title: say.ends,
          cell: (one) => (isOver(one) ? <span class="muted">{say.over}</span> : <Time at={one.expiresAt} />),
        },
        {
          title: say.apps,
          cell: (one) =>
            one.apps.length === 0 ? <span class="muted">{words.none}</span> : <Apps apps={one.apps} />,
          breaks: true,
        },
        { title: say.madeBy, cell: (one) => one.createdBy.name ?? '', wide: true },
        {
          title: say.lastUsed,
          cell: (one) => (one.usedAt ? <Time at={one.usedAt} /> : <span class="muted">{words.never}</span>),
          wide: true,
        },
        ...(mayWrite
          ? [
              {
                title: words.doing,
                does: true,
                cell: (one: Token) => (
                  <LinkButton label={say.revoke} href={`${up.href}/${one.id}/revoke`} compact />
                ),
              },
            ]
          : []),
      ]}
    />
  );
}

/** /admin/tokens/registration/make */
export function RegistrationTokenMaking() {
  const [uses, setUses] = useState('1');
  return (
    <TokenMaker
      up={up}
      words={say}
      usualDays="7"
      named={['uses']}
      fields={(refusal) => (
        <TextField
          name="uses"
          label={say.uses}
          value={uses}
          onInput={setUses}
          error={refusal?.fields.uses}
          numeric
          required
        />
      )}
      onMake={({ name, days }) =>
        call('POST /registration-tokens', { body: { name, uses: Number(uses), expiresAt: inDays(days) } })
      }
    />
  );
}

/** /admin/tokens/registration/:id/revoke */
export function RegistrationTokenRemoval({ id }: { id: string }) {
  const { data, error } = useTokens();
  return (
    <TokenWithdrawal
      up={up}
      token={data ? data.items.find((one) => one.id === id) : null}
      error={error}
      words={say}
      onWithdraw={() => call('DELETE /registration-tokens/:id', { params: { id } })}
    />
  );
}
