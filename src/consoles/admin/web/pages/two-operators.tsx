/**
 * What two operators decide about a person: one asks and says why, another agrees, and until it is done it can be called
 * off. Lost proofs and recovery links are such matters; here stand their list and their acts.
 */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Facts } from '#consoles/admin/web/parts/facts.tsx';
import type { Tone } from '#consoles/admin/web/parts/icons.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { Time } from '#consoles/admin/web/parts/time.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';

interface Named {
  id: string;
  username: string;
  displayName: string;
}

/** One of them: about whom, by whom and why, and what came of it. */
export interface Asked<State extends string> {
  person: Named;
  state: State;
  reason: string;
  askedBy: Named;
  askedAt: string;
  approvedBy?: Named;
}

interface MatterWords<State extends string> {
  title: string;
  lede: string;
  none: string;
  noneText: string;
  person: string;
  state: string;
  states: Record<State, string>;
  reason: string;
  askedBy: string;
  decidedBy: string;
  ask: string;
  askTitle(name: string): string;
  askText: string;
  askReason: string;
  askReasonHelp: string;
  approve: string;
  approveTitle(name: string): string;
  approveText: string;
  approveOwn: string;
  /** For whom it is about, who never agrees to it. */
  aboutOwn: string;
  /** The same, where they may not ask for it either. */
  askOwn?: string;
  cancel: string;
  cancelTitle(name: string): string;
  cancelText: string;
  gone: string;
  goneText: string;
}

/** A kind of matter: where it is read and asked for, and its words. */
export interface Matter<State extends string, One extends Asked<State>> {
  words: MatterWords<State>;
  /** Address of the list. */
  href: string;
  /** What its acts are called in addresses below a person. */
  path: string;
  load(): Promise<{ items: One[]; next?: string }>;
  tones: Readonly<Record<State, Tone>>;
  /** It waits to be agreed to or to happen, and can be called off. */
  isOpen(one: One): boolean;
  /** When it came into the state it is in. */
  since(one: One): string;
}

type Act = 'ask' | 'agree' | 'call-off';

/** The page of an act on what is asked for a person. */
export const actOf = ({ path }: { path: string }, person: string, act: Act) =>
  `/admin/people/${person}/${path}/${act}`;

const placeOf = (matter: { href: string; words: { title: string } }) => ({
  href: matter.href,
  label: matter.words.title,
});

interface Of<State extends string, One extends Asked<State>> {
  matter: Matter<State, One>;
}

/** What the caller can do with one; nothing once it is over. */
export function MatterActs<State extends string, One extends Asked<State>>(
  props: Of<State, One> & { one: One },
) {
  const { matter, one } = props;
  const { me } = useSession();
  if (!matter.isOpen(one)) return null;
  const { id } = one.person;
  return (
    <span class="row">
      {one.state === 'asked' && one.askedBy.id !== me.id && (
        <LinkButton label={matter.words.approve} href={actOf(matter, id, 'agree')} compact />
      )}
      <LinkButton label={matter.words.cancel} href={actOf(matter, id, 'call-off')} compact />
    </span>
  );
}

/** The page of all of them, those that are over too. */
export function MattersPage<State extends string, One extends Asked<State>>({ matter }: Of<State, One>) {
  const { can } = useSession();
  const { words: say, href, load } = matter;
  const pages = usePages(href, load);
  const acts = {
    title: words.doing,
    does: true,
    cell: (one: One) => matter.isOpen(one) && <MatterActs matter={matter} one={one} />,
  };
  return (
    <Page title={say.title} lede={say.lede}>
      <PagedTable
        caption={say.title}
        cards
        pages={pages}
        keyOf={(one) => `${one.person.id} ${one.askedAt}`}
        empty={<Empty title={say.none} text={say.noneText} />}
        columns={[
          {
            title: say.person,
            cell: (one) => (
              <a class="row-link" href={`/admin/people/${one.person.id}/sign-ins`}>
                <span dir="auto">{one.person.displayName}</span>
                <small>{one.person.username}</small>
              </a>
            ),
          },
          {
            title: say.state,
            cell: (one) => (
              <span class="outcomes">
                <Badge tone={matter.tones[one.state]} label={say.states[one.state]} />
                <small class="muted">
                  <Time at={matter.since(one)} />
                </small>
              </span>
            ),
          },
          { title: say.askedBy, cell: (one) => one.askedBy.displayName, roomy: true },
          {
            title: say.decidedBy,
            cell: (one) => one.approvedBy?.displayName ?? <span class="muted">{words.none}</span>,
            wide: true,
          },
          { title: say.reason, cell: (one) => one.reason, breaks: true, wide: true },
          ...(can('people.write') ? [acts] : []),
        ]}
      />
    </Page>
  );
}

/** What is open for a person, by the list: it knows the names. */
export function useOpen<State extends string, One extends Asked<State>>(
  matter: Matter<State, One>,
  person: string,
) {
  const { data, error } = useLoad(matter.href, matter.load);
  return {
    open: data?.items.find((one) => one.person.id === person && matter.isOpen(one)),
    isRead: data !== undefined,
    error,
  };
}

/** …/ask: the page of whoever asks. */
export function MatterAsking<State extends string, One extends Asked<State>>(
  props: Of<State, One> & { person: string; onAsk(reason: string): Promise<unknown> },
) {
  const { matter, person: id, onAsk } = props;
  const { words: say } = matter;
  const { route } = useLocation();
  const { me } = useSession();
  const { data, error } = useLoad(`person ${id}`, () => call('GET /people/:id', { params: { id } }));
  if (error) return <Refused error={error} />;
  if (!data) return null;
  const up = { href: `/admin/people/${id}/sign-ins`, label: data.displayName };
  if (id === me.id && say.askOwn)
    return (
      <Page title={say.askTitle(data.displayName)} up={up}>
        <Notice tone="info">{say.askOwn}</Notice>
      </Page>
    );
  return (
    <ConfirmPage
      title={say.askTitle(data.displayName)}
      up={up}
      act={say.ask}
      danger
      elevated
      reason={{ label: say.askReason, help: say.askReasonHelp }}
      onConfirm={async (reason) => {
        await onAsk(reason);
        route(up.href);
      }}
    >
      <p>{say.askText}</p>
    </ConfirmPage>
  );
}

function WhatWasAsked<State extends string, One extends Asked<State>>(props: Of<State, One> & { one: One }) {
  const { matter, one } = props;
  const { words: say } = matter;
  return (
    <Facts
      facts={[
        { name: say.person, value: `${one.person.displayName} (${one.person.username})` },
        { name: say.reason, value: one.reason },
        { name: say.askedBy, value: `${one.askedBy.displayName} (${one.askedBy.username})` },
        { name: words.when, value: <Time at={one.askedAt} /> },
      ]}
    />
  );
}

/** …/agree: the page of the second operator; whoever asked is told that it takes another. */
export function MatterApproval<State extends string, One extends Asked<State>>(
  props: Of<State, One> & { person: string; onAgree(): Promise<unknown> },
) {
  const { matter, person, onAgree } = props;
  const { words: say } = matter;
  const { me } = useSession();
  const { open, isRead, error } = useOpen(matter, person);
  if (error) return <Refused error={error} />;
  if (!isRead) return null;
  if (!open) return <Gone matter={matter} />;
  const title = say.approveTitle(open.person.displayName);
  const isAgreed = open.state !== 'asked';
  const own = open.askedBy.id === me.id ? say.approveOwn : open.person.id === me.id && say.aboutOwn;
  if (isAgreed || own)
    return (
      <Page title={title} up={placeOf(matter)}>
        <Notice tone="info">{isAgreed ? say.states[open.state] : own}</Notice>
      </Page>
    );
  return (
    <ConfirmPage title={title} up={placeOf(matter)} act={say.approve} danger elevated onConfirm={onAgree}>
      <p>{say.approveText}</p>
      <WhatWasAsked matter={matter} one={open} />
    </ConfirmPage>
  );
}

/** …/call-off: either of them, or anybody else who may. */
export function MatterCalledOff<State extends string, One extends Asked<State>>(
  props: Of<State, One> & { person: string; onCallOff(): Promise<unknown> },
) {
  const { matter, person, onCallOff } = props;
  const { words: say } = matter;
  const { route } = useLocation();
  const { open, isRead, error } = useOpen(matter, person);
  if (error) return <Refused error={error} />;
  if (!isRead) return null;
  if (!open) return <Gone matter={matter} />;
  return (
    <ConfirmPage
      title={say.cancelTitle(open.person.displayName)}
      up={placeOf(matter)}
      act={say.cancel}
      onConfirm={async () => {
        await onCallOff();
        forgetAll();
        route(matter.href);
      }}
    >
      <p>{say.cancelText}</p>
      <WhatWasAsked matter={matter} one={open} />
    </ConfirmPage>
  );
}

function Gone<State extends string, One extends Asked<State>>({ matter }: Of<State, One>) {
  const { words: say } = matter;
  return (
    <Page title={say.title} up={placeOf(matter)}>
      <Empty title={say.gone} text={say.goneText} action={placeOf(matter)} />
    </Page>
  );
}
