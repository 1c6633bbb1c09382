/**
 * Every fact the house records, once, with what it means and what it carries. Types are `noun.past-tense`.
 * Data never holds secrets; it holds ids and field names rather than people's values wherever that is enough. Fields that
 * do tell something of the person are named as personal: when the person is erased, `erasedText` takes their place.
 */
import { z } from 'zod';

const id = z.string();
const reason = z.string().max(500);
const fields = z.array(z.string());

/** What stands where something personal stood. */
export const erasedText = '(erased)';

/** @param personal fields of text that say something of the person the event is about */
function fact<Shape extends z.ZodRawShape>(
  text: string,
  shape: Shape,
  personal: readonly (keyof Shape & string)[] = [],
) {
  return { text, data: z.strictObject(shape), personal: personal as readonly string[] };
}

export const catalogue = {
  'person.joined': fact(
    'A person was added: by sign-up, import, apply or an operator.',
    { state: z.string(), origin: z.string(), username: z.string() },
    ['username'],
  ),
  'person.activated': fact(
    'A person became active: address confirmed, or reinstated with a reason.',
    { from: z.string(), reason: reason.optional() },
    ['reason'],
  ),
  'person.moved': fact('Names, locale or attributes of a person changed.', { fields }),
  'person.left': fact(
    'A person lost their standing: locked, suspended, spam, left or erased.',
    { from: z.string(), state: z.string(), reason: reason.optional() },
    ['reason'],
  ),
  'person.dropped': fact('A sign-up that nobody confirmed in time was removed; its name is free again.', {
    origin: z.string(),
  }),
  'person.merged': fact('One account was absorbed by another.', { absorbed: id }),
  'person.unmerged': fact('A merge was undone.', { restored: id }),
  'person.renamed': fact(
    'A person took a new user name; the old one stays theirs.',
    { from: z.string(), to: z.string() },
    ['from', 'to'],
  ),
  'address.added': fact('An address was added, not yet confirmed.', { address: id }),
  'address.verified': fact('An address was proved.', { address: id }),
  'address.made-primary': fact('Another address became the main one.', {
    address: id,
    previous: id.optional(),
  }),
  'address.removed': fact('An address was removed.', {
    address: id,
    verified: z.boolean(),
    notify: z.array(id),
  }),
  'verification.requested': fact('A link and code were asked for; a reader mails them.', {
    verification: id,
    purpose: z.enum(['sign-up', 'address', 'recovery', 'proof']),
    address: id,
  }),
  'sign-up.repeated': fact(
    'Someone signed up with an address that is already confirmed; its owner is told.',
    {
      address: id,
    },
  ),
  'password.set': fact('A password was set.', {
    how: z.enum(['sign-up', 'change', 'recovery', 'apply', 'admin', 'directory']),
  }),
  'password.upgraded': fact('An imported password proved right and was re-hashed.', { scheme: z.string() }),
  'factor.added': fact(
    'A person enrolled a further proof: a passkey, an authenticator app, or new recovery codes.',
    {
      kind: z.enum(['passkey', 'totp', 'recovery-codes']),
    },
  ),
  'factor.removed': fact('A further proof of a person was taken away.', {
    kind: z.enum(['passkey', 'totp']),
  }),
  'recovery-code.used': fact('A recovery code stood in for a factor.', { left: z.number() }),
  'passkey.copied': fact('A passkey was refused because its counter went back: a copy may be in use.', {
    passkey: id,
  }),
  'factor-reset.asked': fact(
    'An operator asked to take all further proofs of a person away; another one decides.',
    {
      reset: id,
    },
  ),
  'factor-reset.approved': fact('A second operator agreed; it happens once the waiting time is over.', {
    reset: id,
  }),
  'factor-reset.cancelled': fact('Taking the further proofs of a person away was called off.', {
    reset: id,
    told: z.boolean().describe('The person had been told of it.'),
  }),
  'factor-reset.done': fact('All further proofs of a person were taken away.', {
    by: z.enum(['two-operators', 'machine']),
    passkeys: z.number(),
    totp: z.boolean(),
  }),
  'recovery-link.asked': fact(
    'An operator asked for a link by which a person sets a new password without mail; another one decides.',
    { link: id },
  ),
  'recovery-link.approved': fact('A second operator agreed and was shown the link to hand over.', {
    link: id,
  }),
  'recovery-link.cancelled': fact('A link that was asked for, or made and not used, was called off.', {
    link: id,
  }),
  'mail.suppressed': fact(
    'An address refused our mail for good twice: what can be done without is not sent there any more.',
    { address: id, status: z.string().optional() },
  ),
  'mail.suppression-lifted': fact('Mail is sent to an address again that had refused it.', {
    address: id,
    by: z.enum(['proof', 'delivery', 'operator']),
  }),
  'mail.sent-again': fact('An operator had a mail sent again that had failed.', { notice: id }),
  'session.elevated': fact('Proof was given again within a session.', {
    session: id,
    amr: z.array(z.string()),
  }),
  'sign-in.throttled': fact('Sign-in to an account was slowed down after many failures.', {
    failures: z.number(),
  }),
  'sign-in.watched': fact('An operator has sign-ins of a person or at an app kept for some minutes.', {
    minutes: z.number(),
  }),
  'refusal.read': fact('An operator looked at the path of a sign-in.', { reference: z.string() }),
  'session.opened': fact(
    'A person signed in.',
    { session: id, amr: z.array(z.string()), device: z.string() },
    ['device'],
  ),
  'session.ended': fact('A session ended.', { session: id, sid: z.string(), reason: z.string() }),
  'session.application-joined': fact('An app took part in a session.', { session: id, front: z.string() }),
  'upstream.added': fact('People may come in through an upstream from now on.', {
    upstream: id,
    kind: z.string(),
  }),
  'upstream.changed': fact('Settings or credentials of an upstream changed.', { upstream: id, fields }),
  'upstream.removed': fact('An upstream was removed, with every link to it.', { upstream: id }),
  'upstream.linked': fact('A person can sign in through an upstream from now on.', {
    upstream: id,
    by: z.enum(['account-page', 'local-proof', 'authoritative', 'joined']),
  }),
  'upstream.unlinked': fact('A person can no longer sign in through an upstream.', { upstream: id }),
  'consent.given': fact('A person agreed to share details with an app.', { scopes: z.array(z.string()) }),
  'consent.withdrawn': fact('A person took back their agreement.', {}),
  'group.added': fact('A group was added.', { group: id, name: z.string() }),
  'group.changed': fact('A group changed.', { group: id, fields }),
  'group.removed': fact('A group was removed.', { group: id, name: z.string() }),
  'membership.added': fact('A person joined a group.', { group: id }),
  'membership.removed': fact('A person left a group.', { group: id }),
  'application.added': fact('An app was added.', {}),
  'application.changed': fact('An app changed.', { fields }),
  'application.removed': fact('An app was removed.', {}),
  'alias.assigned': fact('A person got a name of their own at an app.', { origin: z.string() }),
  'alias.removed': fact('A name at an app was taken back.', {}),
  'alias-mailbox.assigned': fact(
    'A person got an alias mailbox address: by joining, because the community has them now, or to follow a new name.',
    { domain: z.string(), origin: z.enum(['joined', 'completed', 'followed']) },
  ),
  'account-choice.changed': fact(
    'A person said which account they have at an app: on their alias mailbox, or on an address of their own.',
    { choice: z.enum(['mailbox', 'own']) },
  ),
  'target.added': fact('An app became a target: it receives accounts from here.', { connector: z.string() }),
  'target.changed': fact('Settings or credentials of a target changed.', { fields }),
  'target.removed': fact('An app receives accounts no more; those it has stay as they are.', {}),
  'target.quarantined': fact('Everything for a target is held until a person has looked.', { reason }),
  'target.released': fact('Work on a target goes on.', {}),
  'account.provisioned': fact('An account at a target was made, found or changed.', {
    change: z.enum(['created', 'invited', 'linked', 'updated', 'reactivated']),
    remote: z.string(),
  }),
  'account.deactivated': fact('An account at a target was switched off.', { remote: z.string() }),
  'account.deleted': fact('An account at a target was deleted.', { remote: z.string() }),
  'account.refused': fact('A target refused an account, or it cannot be as we want it.', {
    verdict: z.string(),
  }),
  'group.provisioned': fact('A group at a target was made, changed or deleted.', {
    group: id,
    change: z.enum(['created', 'linked', 'renamed', 'members', 'deleted']),
  }),
  'plan.approved': fact('A person approved what is planned at a target.', { count: z.number() }),
  'plan.refused': fact('A person refused what is planned at a target.', { count: z.number() }),
  'community.changed': fact('Settings of the community changed.', { fields }),
  'mail-template.changed': fact('A letter says something in the community’s own words.', {
    kind: z.string(),
    locale: z.string(),
    fields,
  }),
  'mail-template.removed': fact('A letter is in the words of Gatehouse again.', {
    kind: z.string(),
    locale: z.string(),
  }),
  'attribute.declared': fact('An attribute was declared or changed.', { name: z.string() }),
  'attribute.withdrawn': fact('An attribute is no longer declared; its values are gone.', {
    name: z.string(),
  }),
  'operator.appointed': fact('A person was given an operator role.', { role: z.string() }),
  'operator.dismissed': fact('An operator role was taken away.', { role: z.string() }),
  'setup.opened': fact('The one-time way to the first operator was opened.', {}),
  'setup.closed': fact('The first operator was made; setup is closed for good.', {}),
  'token.created': fact('An API token was made.', { token: id, roles: z.array(z.string()) }),
  'token.revoked': fact('An API token was withdrawn.', { token: id }),
  'registration-token.created': fact('A token was made with which apps may register themselves.', {
    token: id,
    uses: z.number(),
  }),
  'registration-token.revoked': fact('A token for apps that register themselves was withdrawn.', {
    token: id,
  }),
  'key.created': fact('A signing key was made and published as next.', { kid: z.string(), alg: z.string() }),
  'key.activated': fact('A signing key signs from now on.', { kid: z.string(), alg: z.string() }),
  'key.retired': fact('A signing key no longer signs; it stays published for a while.', { kid: z.string() }),
  'key.withdrawn': fact('A signing key is no longer published.', { kid: z.string() }),
  'grant.revoked': fact('Tokens given to an app were withdrawn.', { reason: z.string() }),
  'import.finished': fact('An import ended.', { run: id, counts: z.record(z.string(), z.number()) }),
  'brake.engaged': fact(
    'Too many accounts would have been taken away at an app; the rest waits for a person.',
    {
      count: z.number(),
      accounts: z.number(),
    },
  ),
  'brake.released': fact(
    'Accounts that were held back at an app were decided about, or none is held any more.',
    {
      approved: z.number(),
      refused: z.number(),
    },
  ),
  'relay.settings-changed': fact('What holds for the whole relay of alias mailboxes changed.', { fields }),
  'relay.app-changed': fact(
    'Who may write to alias mailboxes as an app, or how its mail is passed on, changed.',
    {
      fields,
    },
  ),
  'relay.paused': fact(
    'Mail to alias mailboxes is held off: all of it, that of an app, or that of a person.',
    {
      scope: z.enum(['everything', 'app', 'person']),
    },
  ),
  'relay.resumed': fact('Mail that was held off is passed on again.', {
    scope: z.enum(['everything', 'app', 'person']),
  }),
  'relay.list-changed': fact('A list of networks that may send changed.', {
    list: z.string(),
    added: z.array(z.string()),
    removed: z.array(z.string()),
  }),
  'relay.list-held': fact('A published list of networks shrank too far: it waits for a person.', {
    list: z.string(),
    removed: z.array(z.string()),
  }),
  'relay.list-refused': fact('A published list of networks could not be used; the last good one holds.', {
    list: z.string(),
    problem: z.string(),
  }),
  'relay.key-changed': fact(
    'A key that mail is signed with was made, signs from now on, or was taken away.',
    {
      selector: z.string(),
      state: z.enum(['next', 'active', 'retiring', 'withdrawn']),
    },
  ),
  'relay.choice-changed': fact('A person decided about mail to their alias mailbox.', { fields }),
  'relay.request-made': fact('A person asked to let a sender write to them.', { request: id }),
  'relay.request-decided': fact('An operator decided about a sender that a person had asked for.', {
    request: id,
    state: z.enum(['allowed', 'refused']),
  }),
} as const;

export type EventType = keyof typeof catalogue;
export type EventData<T extends EventType> = z.infer<(typeof catalogue)[T]['data']>;
