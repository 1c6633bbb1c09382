/** What asks for a recent sign-in stands behind this: whoever signed in too long ago is led to sign in first. */
import type { ComponentChildren } from 'preact';
import type { Refusal } from '#consoles/admin/web/client.ts';
import { signInHref, useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { LinkButton } from './button.tsx';
import { Notice } from './notice.tsx';

/** @param refusal what the API said last: when it asks for a sign-in, that is asked here too */
export function Elevated(props: { children: ComponentChildren; refusal?: Refusal; hint?: string }) {
  const { children, refusal, hint = words.elevationText } = props;
  const { isElevated } = useSession();
  if (isElevated() && refusal?.code !== 'elevation-required') return <>{children}</>;
  return (
    <Notice tone="info" title={words.elevationTitle}>
      <p>{hint}</p>
      <p class="actions">
        <LinkButton id="elevate" kind="primary" href={signInHref()} label={words.elevate} />
      </p>
    </Notice>
  );
}
