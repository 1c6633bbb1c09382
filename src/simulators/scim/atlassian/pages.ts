/** The people directory of "Jira": whom the app knows, under which address, since when. */
import type { Html } from '#kit/page/html.ts';
import type { Tone } from '#kit/page/icons.ts';
import type { Look } from '#kit/page/page.ts';
import type { Ledger } from '#simulators/scim/ledger.ts';
import { count, directoryPage, type PersonRow } from '#simulators/scim/pages.ts';
import type { Account, Invitation } from './accounts.ts';

type Shown = Account & { groupNames: string[] };

export function accountsPage(input: {
  look: Look;
  nonce: string;
  now: Date;
  hold: boolean;
  accounts: readonly Shown[];
  invitations: readonly Invitation[];
  ledger: Ledger;
}): Html {
  const there = input.accounts.filter(({ inOrganisation }) => inOrganisation);
  const people = [...there.map(accountRow), ...input.invitations.map(invitationRow)];
  const managed = there.filter((account) => account.managed).length;
  return directoryPage({
    ...input,
    title: 'People',
    lede: 'Everyone this site knows: a double of Jira Cloud on this machine.',
    people: people.sort((one, two) => two.at.getTime() - one.at.getTime()),
    figures: [
      { label: 'Managed accounts', value: count(managed) },
      { label: 'External accounts', value: count(there.length - managed) },
      { label: 'Invitations', value: count(input.invitations.length) },
      { label: 'Over the limit', value: count(input.ledger.counters().limited) },
    ],
    empty: {
      title: 'Nobody is here yet',
      text: 'Whoever joins the community and may enter this app appears here within seconds.',
    },
  });
}

function accountRow(account: Shown): PersonRow {
  const state: { tone: Tone; label: string } = account.suspended
    ? { tone: 'warning', label: 'Suspended' }
    : account.active
      ? { tone: 'success', label: 'Active' }
      : { tone: 'neutral', label: 'Deactivated' };
  return {
    name: account.name,
    address: account.email,
    states: [
      account.managed ? { tone: 'info', label: 'Managed' } : { tone: 'warning', label: 'External' },
      state,
    ],
    groups: account.groupNames,
    at: new Date(account.arrived),
  };
}

function invitationRow({ email, at }: Invitation): PersonRow {
  return {
    name: 'Not signed up yet',
    address: email,
    states: [
      { tone: 'warning', label: 'External' },
      { tone: 'neutral', label: 'Invited' },
    ],
    groups: [],
    at: new Date(at),
  };
}
