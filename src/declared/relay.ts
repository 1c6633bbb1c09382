/** The part of a plan that says who may write to alias mailboxes, and how that mail is passed on. */
import { noteByHand } from '#fronts/relay/lists.ts';
import {
  type AllowlistSettings,
  allowlistSettings,
  budgetSettings,
  type RelayAppSettings,
  type RelayHouseSettings,
  relayAppSettings,
  relayHouseSettings,
} from '#fronts/relay/settings.ts';
import {
  isBound,
  namesSenders,
  type RelayApp,
  relayApps,
  relayHouse,
  saveRelayApp,
  saveRelayHouse,
} from '#fronts/relay/settings-kept.ts';
import type { Tx } from '#kit/db/tx.ts';
import { nearest } from '#kit/spelling/spelling.ts';
import { changedKeys, type Planning } from './plan.ts';
import type { DeclaredRelay } from './schema.ts';

/** What would have to change for the relay to be as the file says; apps and allow-lists it does not name stay. */
export async function planRelay(tx: Tx, planning: Planning): Promise<void> {
  const given = planning.declared.relay;
  if (!given) return;
  const house = await relayHouse(tx);
  const before = planning.findings.length;
  findStrangers(planning, given, house);
  if (planning.findings.length > before) return;
  planHouse(planning, given, house);
  const known = new Map((await relayApps(tx)).map((one) => [one.id, one]));
  for (const id of namedApps(given)) planApp(planning, given, id, known.get(id));
}

/** Apps the file says anything of, in the order of the file. */
function namedApps({ modes, senders, budgets }: DeclaredRelay): string[] {
  return [...new Set([senders, modes, budgets.apps].flatMap(Object.keys))];
}

/** Apps and lists that are not there, and senders anybody could be. */
function findStrangers(
  { declared, findings, applications }: Planning,
  { modes, senders, budgets, allowlists }: DeclaredRelay,
  house: RelayHouseSettings,
): void {
  const apps = [...applications.keys(), ...(declared.applications ?? []).map((one) => one.id)];
  const places = { modes, senders, 'budgets.apps': budgets.apps };
  for (const [place, named] of Object.entries(places)) {
    for (const id of Object.keys(named).filter((one) => !apps.includes(one))) {
      const meant = nearest(id, apps);
      const text = `there is no such app${meant ? `; did you mean "${meant}"?` : ''}`;
      findings.push(declared.places.find(['relay', ...place.split('.'), id], text));
    }
  }
  const lists = [...Object.keys(house.allowlists), ...Object.keys(allowlists)];
  for (const [id, one] of Object.entries(senders)) {
    one.networks.forEach((network, at) => {
      if (network.startsWith('list:') && !lists.includes(network.slice('list:'.length)))
        findings.push(
          declared.places.find(['relay', 'senders', id, 'networks', at], 'there is no such allow-list'),
        );
    });
    const settings = relayAppSettings.parse(one);
    if (namesSenders(settings) && !isBound(settings))
      findings.push(
        declared.places.find(
          ['relay', 'senders', id],
          'anybody could be this: name networks, or domains together with something that has to be proved (require)',
        ),
      );
  }
}

function planHouse({ plan }: Planning, given: DeclaredRelay, house: RelayHouseSettings): void {
  const { logDays, replyDays, off } = given;
  const { apps: _, ...budgets } = given.budgets;
  const plain = { budgets, logDays, replyDays };
  const keys = changedKeys(
    { budgets: house.budgets, logDays: house.logDays, replyDays: house.replyDays },
    plain,
  );
  if (keys.length > 0)
    plan.changes.push({
      text: `Change the relay: ${keys.join(', ')}`,
      path: ['relay'],
      run: (inside) => changeHouse(inside, () => plain),
    });
  for (const [name, settings] of Object.entries(given.allowlists))
    planList(plan, name, settings, house.allowlists[name]);
  if (off !== undefined && off !== house.off)
    plan.changes.push({
      text: off ? 'Switch the relay off: nothing is passed on' : 'Switch the relay on',
      path: ['relay', 'off'],
      run: (inside) => changeHouse(inside, () => ({ off })),
    });
}

function planList(
  plan: Planning['plan'],
  name: string,
  settings: AllowlistSettings,
  known: AllowlistSettings | undefined,
): void {
  const keys = known ? changedKeys(known, settings) : [];
  if (known && keys.length === 0) return;
  plan.changes.push({
    text: known
      ? `Change the allow-list ${name}: ${keys.join(', ')}`
      : `Add the allow-list ${name} (${settings.url ?? 'by hand'})`,
    path: ['relay', 'allowlists', name],
    run: (inside) =>
      changeHouse(inside, ({ allowlists }) => ({ allowlists: { ...allowlists, [name]: settings } })),
  });
}

async function changeHouse(
  tx: Tx,
  change: (house: RelayHouseSettings) => Partial<RelayHouseSettings>,
): Promise<void> {
  const before = await relayHouse(tx);
  const after = { ...before, ...change(before) };
  await saveRelayHouse(tx, after);
  await noteByHand(tx, before.allowlists, after.allowlists);
}

function planApp({ plan }: Planning, given: DeclaredRelay, id: string, known: RelayApp | undefined): void {
  const before = known?.settings;
  const { mode: _, budgets: __, ...keptSenders } = before ?? relayAppSettings.parse({});
  const senders = given.senders[id];
  const next: RelayAppSettings = relayAppSettings.parse({
    ...(senders ?? keptSenders),
    off: senders?.off ?? before?.off ?? false,
    mode: given.modes[id] ?? 'transparent',
    budgets: given.budgets.apps[id] ?? {},
  });
  if (!namesSenders(next))
    plan.warnings.push(
      `Nobody may write to alias mailboxes as ${id}: its senders name neither networks nor domains.`,
    );
  const keys = before ? changedKeys(before, next) : [];
  if (before && keys.length === 0) return;
  plan.changes.push({
    text: before
      ? `Change mail of the app ${id}: ${keys.join(', ')}`
      : `Let mail of the app ${id} pass to alias mailboxes (${next.mode})`,
    path: ['relay', senders ? 'senders' : 'modes', id],
    run: async (inside) => void (await saveRelayApp(inside, id, next)),
  });
}

/** The relay as a file that is applied again takes it: what is as it would be anyway is left out. */
export async function exportRelay(
  tx: Tx,
  differing: (value: object, usual: object) => Record<string, unknown>,
): Promise<object> {
  const house = await relayHouse(tx);
  const apps = await relayApps(tx);
  const usualApp = relayAppSettings.parse({});
  const { allowlists, budgets: daily, ...plain } = house;
  const modes: Record<string, string> = {};
  const senders: Record<string, object> = {};
  const raised: Record<string, object> = {};
  for (const { id, settings } of apps) {
    const { mode, budgets, ...rest } = settings;
    if (namesSenders(settings)) senders[id] = differing(rest, usualApp);
    if (mode !== usualApp.mode || !namesSenders(settings)) modes[id] = mode;
    if (Object.keys(budgets).length > 0) raised[id] = budgets;
  }
  const budgets = differing({ ...daily, apps: raised }, { ...budgetSettings.parse({}), apps: {} });
  const lists = Object.entries(allowlists).map(([name, settings]) => [
    name,
    differing(settings, allowlistSettings.parse({})),
  ]);
  const parts = { modes, senders, budgets, allowlists: Object.fromEntries(lists) };
  const filled = Object.entries(parts).filter(([, value]) => Object.keys(value).length > 0);
  return { ...differing(plain, relayHouseSettings.parse({})), ...Object.fromEntries(filled) };
}
