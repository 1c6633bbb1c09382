/** `/admin/people/:id/mail`: what became of mail of apps to one person, and the switch that holds it off. */
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad, usePages } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Section } from '#consoles/admin/web/parts/page.tsx';
import { type Column, PagedTable } from '#consoles/admin/web/parts/table.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { relayWords as say } from '#consoles/admin/web/words-relay.ts';
import { type Message, messageColumn, verdictColumn } from './relay-log.tsx';

type Choice = Answer<'GET /people/:id/relay'>['items'][number];

const isOfAll = ({ application }: Choice) => application === undefined;

export function PersonMailOfApps({ id }: { id: string }) {
  const { can } = useSession();
  const choices = useLoad(`relay choices ${id}`, () => call('GET /people/:id/relay', { params: { id } }));
  const pages = usePages(`relay messages of ${id}`, (page) =>
    call('GET /people/:id/relay/messages', { params: { id }, query: page }),
  );
  const items = choices.data?.items ?? [];
  const paused = items.some((one) => isOfAll(one) && one.paused);
  const switching = useAct(async () => {
    await call('POST /people/:id/relay/pause', { params: { id }, body: { paused: !paused } });
    forgetAll();
    choices.reload();
  });
  return (
    <Section
      title={say.ofPerson}
      action={
        choices.data &&
        can('people.help') && (
          <Button
            id="pause-person"
            label={paused ? say.resumePerson : say.pausePerson}
            kind="quiet"
            compact
            busy={switching.busy}
            onClick={switching.act}
          />
        )
      }
    >
      <p class="muted small">{say.ofPersonText}</p>
      {choices.error && <Refused error={choices.error} />}
      {switching.refusal && <Refused error={switching.refusal} />}
      {paused && (
        <Notice tone="warning" live>
          {say.pausedNow}
        </Notice>
      )}
      <Chosen choices={items} />
      <PagedTable
        caption={say.ofPerson}
        pages={pages}
        cards
        keyOf={(one) => one.id}
        empty={<Empty title={say.nothingCame} />}
        columns={[
          messageColumn(can('relay.read')),
          verdictColumn,
          ...(can('relay.read') ? [why] : []),
          {
            title: say.app,
            cell: (one) => one.application ?? <span class="muted">{say.none}</span>,
            wide: true,
          },
        ]}
      />
    </Section>
  );
}

const why: Column<Message> = { title: say.why, cell: (one) => one.because, breaks: true, roomy: true };

/** What they decided about single apps. */
function Chosen({ choices }: { choices: readonly Choice[] }) {
  const named = (fits: (one: Choice) => boolean) =>
    choices
      .filter((one) => !isOfAll(one) && fits(one))
      .map(({ application }) => application)
      .join(', ');
  const paused = named((one) => one.paused);
  const plain = named((one) => !one.digests);
  return (
    <>
      {paused && <p class="small">{say.pausedApps(paused)}</p>}
      {plain && <p class="small">{say.noDigests(plain)}</p>}
    </>
  );
}
