/** Who sits at the console, what they may do, and what happens when their session ends elsewhere. */
import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { type Answer, call, onRefusal, type Refusal } from './client.ts';
import { useLoad } from './load.ts';
import { words } from './words.ts';

export type Me = Answer<'GET /whoami'>;
export type Right = Me['rights'][number];

interface Session {
  me: Me;
  /** Whether a right is held: for everything, or for this app. */
  can(right: Right, application?: string): boolean;
  /** Whether it is held for one app at least. */
  canSomewhere(right: Right): boolean;
  /** Whether the sign-in is recent enough for what asks for a recent one. */
  isElevated(): boolean;
}

const Current = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(Current);
  if (!session) throw new Error('no session around this');
  return session;
}

/** Asks once who is there; everything below may use `useSession`. */
export function WithSession({ children }: { children: ComponentChildren }) {
  const { data: me, error } = useLoad('whoami', () => call('GET /whoami'));
  const session = me && {
    me,
    can: (right: Right, application?: string) =>
      me.rights.includes(right) ||
      me.grants.some((one) => one.application === application && one.rights.includes(right)),
    canSomewhere: (right: Right) => me.grants.some((one) => one.rights.includes(right)),
    isElevated: () => me.elevatedUntil === undefined || Date.parse(me.elevatedUntil) > Date.now(),
  };
  return (
    <>
      <SignedOut />
      {session ? (
        <Current.Provider value={session}>{children}</Current.Provider>
      ) : (
        <main id="main" tabIndex={-1}>
          <div class="page-head">
            <h1>{words.console}</h1>
          </div>
          {error && <Refused error={error} />}
        </main>
      )}
    </>
  );
}

/** The way to a sign-in and back to where one is. */
export function signInHref(): string {
  return `/admin/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`;
}

/** Says that the session is over, over whatever is on the page, which stays as it is until then. */
function SignedOut() {
  const [refusal, setRefusal] = useState<Refusal>();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(
    () =>
      onRefusal((one) => {
        if (one.code === 'session-ended' || one.code === 'token-refused') setRefusal(one);
      }),
    [],
  );
  useEffect(() => {
    if (refusal && !dialog.current?.open) dialog.current?.showModal();
  }, [refusal]);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="signed-out-title"
      onCancel={(event) => event.preventDefault()}
    >
      <h2 id="signed-out-title">{words.signedOutTitle}</h2>
      <p>{words.signedOutText}</p>
      <div class="actions">
        <a class="button primary" id="sign-in-again" href={signInHref()}>
          {words.signIn}
        </a>
      </div>
    </dialog>
  );
}
