/** A page about what a target says of one person: it is asked when the page is opened, and again when somebody wants to. */
import type { ComponentChildren } from 'preact';
import type { Loaded } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { useSubject } from './target-subject.tsx';

/** Where one person at a target is at home. */
export const pathTo = (id: string, subject: string) =>
  `/admin/targets/${id}/people/${encodeURIComponent(subject)}`;

export function AskedThere<Data extends { answered: boolean; why?: string }>(props: {
  id: string;
  subject: string;
  /** What the way back is called. */
  up: string;
  again: { id: string; label: string };
  /** What is said when the target did not answer. */
  failed: string;
  asked: Loaded<Data>;
  children(data: Data): ComponentChildren;
}) {
  const { id, subject, up, again, failed, asked, children } = props;
  const { data, error, reload } = asked;
  const { name, username } = useSubject(id, subject);
  return (
    <Page
      title={name}
      up={{ href: pathTo(id, subject), label: up }}
      lede={username}
      actions={<Button id={again.id} label={again.label} kind="quiet" compact onClick={reload} />}
    >
      {error && <Refused error={error} retry={reload} />}
      {!data && !error && <Skeleton rows={6} />}
      {data && !data.answered && (
        <Notice tone="warning" title={failed}>
          {data.why}
        </Notice>
      )}
      {data?.answered && children(data)}
    </Page>
  );
}
