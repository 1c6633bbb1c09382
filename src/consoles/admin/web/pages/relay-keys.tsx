/** `/admin/relay/keys`: what mail is signed with, and the records to publish. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import { SelectField } from '#consoles/admin/web/parts/fields.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Section } from '#consoles/admin/web/parts/page.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { RelayTabs, relayHome } from './relay-views.tsx';

type Key = Answer<'GET /relay/keys'>['items'][number];

const tones = { next: 'warning', active: 'success', retiring: 'neutral' } as const;
const up = { href: '/admin/relay/keys', label: say.keys };

const waits = ({ state }: Key) => state === 'next';

export function RelayKeysPage() {
  const { can } = useSession();
  const { data, error, reload } = useLoad('relay keys', () => call('GET /relay/keys'));
  const [came, setCame] = useState<{ seen: number; unanswered: number }>();
  const look = useAct(async () => {
    setCame(undefined);
    const waiting = new Set(data?.items.filter(waits).map(({ id }) => id));
    const { items, unanswered } = await call('POST /relay/keys/look', { body: {} });
    const seen = items.filter(({ id, state }) => state === 'active' && waiting.has(id)).length;
    setCame({ seen, unanswered: unanswered.length });
    forgetAll();
    reload();
  });
  const isEmpty = data?.items.length === 0;
  const make = can('keys.write') ? { href: '/admin/relay/keys/make', label: say.makeKey } : undefined;
  return (
    <Page
      title={say.keys}
      up={relayHome}
      lede={say.keyText}
      actions={
        make &&
        !isEmpty && (
          <>
            {data?.items.some(waits) && (
              <Button
                id="look-in-dns"
                label={say.lookInDns}
                kind="quiet"
                compact
                busy={look.busy}
                onClick={look.act}
              />
            )}
            <LinkButton id="make-key" compact {...make} />
          </>
        )
      }
    >
      <RelayTabs current="/admin/relay/keys" />
      {error && <Refused error={error} retry={reload} />}
      {look.refusal && <Refused error={look.refusal} />}
      {came && (came.seen > 0 || came.unanswered === 0) && (
        <Notice tone={came.seen > 0 ? 'success' : 'info'} live>
          {came.seen > 0 ? say.keysSeen(came.seen) : say.keysUnseen}
        </Notice>
      )}
      {came && came.unanswered > 0 && (
        <Notice tone="warning" live>
          {say.keysUnanswered(came.unanswered)}
        </Notice>
      )}
      {isEmpty && <Empty title={say.noKeys} text={say.noKeysText} action={make} />}
      {data?.items.map((one) => (
        <OneKey key={one.id} one={one} />
      ))}
    </Page>
  );
}

function OneKey({ one }: { one: Key }) {
  const { can } = useSession();
  const base = `/admin/relay/keys/${one.id}`;
  return (
    <Section
      title={`${one.domain} · ${say.algorithms[one.algorithm].label}`}
      action={<Badge tone={tones[one.state]} label={say.keyStates[one.state]} />}
    >
      <Facts
        facts={[
          { name: say.recordName, value: '', copy: one.name },
          { name: say.record, value: '', copy: one.record },
          { name: say.since, value: <Time at={one.changedAt} /> },
          { name: say.keepUntil, value: one.keepUntil && <Time at={one.keepUntil} /> },
        ]}
      />
      {can('keys.write') && (
        <p class="actions">
          {one.state === 'next' && (
            <LinkButton
              label={say.activate}
              href={`${base}/activate`}
              describe={`${say.activate}: ${one.name}`}
              compact
            />
          )}
          <LinkButton
            label={say.withdraw}
            href={`${base}/withdraw`}
            describe={`${say.withdraw}: ${one.name}`}
            compact
          />
        </p>
      )}
    </Section>
  );
}

/** /admin/relay/keys/make */
export function RelayKeyMaking() {
  const { route } = useLocation();
  const { data, error } = useLoad('relay keys', () => call('GET /relay/keys'));
  const [chosen, setChosen] = useState<string>();
  const [algorithm, setAlgorithm] = useState<Key['algorithm']>('rsa-sha256');
  const domain = chosen ?? data?.domains[0];
  if (error || (data && !domain))
    return (
      <Page title={say.makeKey} up={up}>
        {error ? <Refused error={error} /> : <Empty title={say.noDomains} text={say.noDomainsText} />}
      </Page>
    );
  if (!data || !domain) return null;
  return (
    <ConfirmPage
      title={say.makeKey}
      up={up}
      act={say.makeKey}
      fields={
        <>
          <SelectField
            name="domain"
            label={say.keyDomain}
            value={domain}
            options={data.domains.map((value) => ({ value, label: value }))}
            onInput={setChosen}
            required
          />
          <RadioField
            name="algorithm"
            label={say.algorithm}
            value={algorithm}
            options={(['rsa-sha256', 'ed25519-sha256'] as const).map((value) => ({
              value,
              ...say.algorithms[value],
            }))}
            onInput={(value) => setAlgorithm(value)}
          />
        </>
      }
      onConfirm={async () => {
        await call('POST /relay/keys', { body: { domain, algorithm } });
        route(up.href);
      }}
    >
      <p>{say.makeKeyText}</p>
    </ConfirmPage>
  );
}

/** /admin/relay/keys/:id/:act */
export function RelayKeyChange({ id, act }: { id: string; act: string }) {
  const { route } = useLocation();
  const { data, error } = useLoad('relay keys', () => call('GET /relay/keys'));
  if (error)
    return (
      <Page title={say.keys} up={up}>
        <Refused error={error} />
      </Page>
    );
  if (!data) return null;
  const key = data.items.find((one) => one.id === id);
  if (!key)
    return (
      <Page title={say.keys} up={up}>
        <Empty title={say.keyGone} text={say.keyGoneText} action={up} />
      </Page>
    );
  const isActivation = act === 'activate';
  return (
    <ConfirmPage
      title={isActivation ? say.activateTitle(key.domain) : say.withdrawTitle(key.domain)}
      up={up}
      act={isActivation ? say.activate : say.withdraw}
      danger={!isActivation}
      elevated
      onConfirm={async () => {
        if (isActivation) await call('POST /relay/keys/:id/activate', { params: { id }, body: {} });
        else await call('DELETE /relay/keys/:id', { params: { id } });
        route(up.href);
      }}
    >
      <p>{isActivation ? say.activateText : say.withdrawText}</p>
      <p class="record">
        <code>{key.name}</code>
      </p>
    </ConfirmPage>
  );
}
