/** What was and what will be, field by field; equal fields can be left out by the caller. */
import { words } from '#consoles/admin/web/words.ts';

export interface Difference {
  field: string;
  was?: string;
  will?: string;
}

/** @param unknown what was is not known here: that column is left out */
export function Diff(props: { caption: string; differences: readonly Difference[]; unknown?: boolean }) {
  const { caption, differences, unknown = false } = props;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label={caption} tabIndex={0}>
      <table class="table diff">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{words.field}</th>
            {!unknown && <th scope="col">{words.was}</th>}
            <th scope="col">{words.will}</th>
          </tr>
        </thead>
        <tbody>
          {differences.map(({ field, was, will }) => (
            <tr key={field}>
              <th scope="row">{field}</th>
              {!unknown && (
                <td>{was === undefined ? <span class="muted">{words.nothing}</span> : <del>{was}</del>}</td>
              )}
              <td>{will === undefined ? <span class="muted">{words.nothing}</span> : <ins>{will}</ins>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
