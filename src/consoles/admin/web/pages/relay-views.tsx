/** What the pages about mail of apps share: their tabs, and how a verdict looks. */
import { useRef } from 'preact/hooks';
import type { Refusal } from '#consoles/admin/web/client.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Tabs } from '#consoles/admin/web/parts/page.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';

export const relayHome = { href: '/admin/relay', label: say.title };

/** Views one may not see are not offered: owners of single apps have the first two, of their own apps. */
export function RelayTabs({ current }: { current: string }) {
  const { can } = useSession();
  const items = [
    { href: '/admin/relay', label: say.overview },
    { href: '/admin/relay/log', label: say.log },
    ...(can('relay.read')
      ? [
          { href: '/admin/relay/lists', label: say.lists },
          { href: '/admin/relay/requests', label: say.requests },
        ]
      : []),
    ...(can('keys.read') ? [{ href: '/admin/relay/keys', label: say.keys }] : []),
    ...(can('system.read') ? [{ href: '/admin/relay/health', label: say.health }] : []),
  ];
  return <Tabs label={say.views} items={items} current={current} />;
}

/** What was refused of a list that was typed: said with the entry it is about. */
export function entryFault(
  refusal: Refusal | undefined,
  path: string,
  entries: readonly string[],
): string | undefined {
  for (const [name, text] of Object.entries(refusal?.fields ?? {})) {
    if (name === path) return text;
    if (!name.startsWith(`${path}.`)) continue;
    const entry = entries[Number.parseInt(name.slice(path.length + 1), 10)];
    return entry === undefined ? text : `${entry.slice(0, 60)}: ${text}`;
  }
  return undefined;
}

/**
 * For forms over one version of something: what somebody else has kept begins them anew, so it is a key of theirs; what
 * they have kept themselves leaves them as they are.
 */
export function useBegun(version: string | undefined): {
  begun: string | undefined;
  keep(version: string): void;
} {
  const own = useRef(new Set<string>());
  const begun = useRef(version);
  if (version !== undefined && !own.current.has(version)) begun.current = version;
  return { begun: begun.current, keep: (kept) => void own.current.add(kept) };
}

/** Who a message says it is from; addresses of people are kept from whoever may not see people. */
export function whoWrote({ headerFrom, sender }: { headerFrom?: string; sender?: string }): string {
  return headerFrom || (sender === '' ? say.nullSender : (sender ?? say.senderUnshown));
}

export type Verdict = keyof typeof say.verdicts;

const tones = {
  relayed: 'success',
  refused: 'danger',
  deferred: 'warning',
  absorbed: 'neutral',
  dropped: 'neutral',
} as const;

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  return <Badge tone={tones[verdict]} label={say.verdicts[verdict]} />;
}
