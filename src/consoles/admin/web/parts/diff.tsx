/** What was and what will be, field by field; equal fields can be left out by the caller. */
import { words } from '#consoles/admin/web/words.ts';

export interface Difference {
  field: string;
  was?: string;
  will?: string;
}

export function Diff({ caption, differences }: { caption: string; differences: readonly Difference[] }) {
  return (
    <section class="scroll" aria-label={caption}>
      <table class="table diff">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{words.field}</th>
            <th scope="col">{words.was}</th>
            <th scope="col">{words.will}</th>
          </tr>
        </thead>
        <tbody>
          {differences.map(({ field, was, will }) => (
            <tr key={field}>
              <th scope="row">{field}</th>
              <td>{was === undefined ? <span class="muted">{words.nothing}</span> : <del>{was}</del>}</td>
              <td>{will === undefined ? <span class="muted">{words.nothing}</span> : <ins>{will}</ins>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
