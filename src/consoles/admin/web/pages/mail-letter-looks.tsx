/** A letter as it would be sent: in frames that load and run nothing, light and dark, and as text. */
import type { Act } from '#consoles/admin/web/act.ts';
import { type Answer, call, type Refusal } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section } from '#consoles/admin/web/parts/page.tsx';
import { mailToolWords as say } from '#consoles/admin/web/words-mail-tools.ts';

export type Preview = Answer<'POST /mail/templates/:kind/:locale/preview'>;

type Shape = Answer<'GET /mail/templates'>['items'][number];
type Texts = NonNullable<Shape['languages'][number]['own']>;
interface Which {
  kind: Shape['kind'];
  locale: string;
}

/** As it would be sent with what is typed, or as it is kept. */
export const previewOf = (params: Which, filled: Texts) =>
  call('POST /mail/templates/:kind/:locale/preview', {
    params,
    body: Object.keys(filled).length > 0 ? { template: filled } : {},
  });

/**
 * @param props.showing.shown what was asked for last; before that the letter as the page was opened with it
 * @param props.isSaid what is wrong stands at the fields it is about
 */
export function Looks(props: {
  params: Which;
  filled: Texts;
  showing: Act & { shown?: Preview };
  refusal?: Refusal;
  isSaid: boolean;
}) {
  const { params, filled, refusal, isSaid } = props;
  const { shown, busy, act } = props.showing;
  const { data } = useLoad(`letter ${params.kind} ${params.locale}`, () => previewOf(params, filled));
  const preview = shown ?? data;
  return (
    <Section
      title={say.preview}
      action={
        <Button id="show-letter" label={say.previewAct} kind="quiet" compact busy={busy} onClick={act} />
      }
    >
      {refusal && !isSaid && <Refused error={refusal} />}
      {refusal && isSaid && (
        <Notice tone="danger" live>
          {say.previewRefused}
        </Notice>
      )}
      {preview && (
        <div class="stack-s">
          <p>
            <span class="muted">{say.subject}</span> <strong dir="auto">{preview.subject}</strong>
          </p>
          <details>
            <summary>{say.asText}</summary>
            <pre class="letter-text" dir="auto">
              {preview.text}
            </pre>
          </details>
          {preview.logo === 'left-out' && <Notice tone="info">{say.logoLeftOut}</Notice>}
          {(['light', 'dark'] as const).map((scheme) => (
            <iframe
              key={scheme}
              class="letter-frame"
              title={say.previewOf[scheme]}
              src={preview[scheme]}
              sandbox=""
            />
          ))}
        </div>
      )}
    </Section>
  );
}
