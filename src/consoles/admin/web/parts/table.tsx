/** Lists of facts: a sticky head, rows that lead somewhere, and more at the end while there is more. */
import type { ComponentChildren } from 'preact';
import type { Pages } from '#consoles/admin/web/load.ts';
import { words } from '#consoles/admin/web/words.ts';
import { Button } from './button.tsx';
import { Refused } from './notice.tsx';
import { Skeleton } from './page.tsx';
import { count } from './time.tsx';

export interface Column<Row> {
  title: string;
  cell(row: Row): ComponentChildren;
  /** Figures stand at the end and under each other. */
  number?: boolean;
  /** Long words may break. */
  breaks?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
  /** Left out on a phone. */
  roomy?: boolean;
  /** Holds what one can do with a row. */
  does?: boolean;
  /** Stands in the head instead of the title, which screen readers hear all the same. */
  head?: ComponentChildren;
}

export interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  /** On a phone each row is a card with all its columns, the first as its head. */
  cards?: boolean;
}

const classOf = <Row,>({ number, breaks, wide, roomy, does }: Column<Row>) =>
  [number && 'number', breaks && 'breaks', wide && 'wide-only', roomy && 'roomy-only', does && 'does']
    .filter(Boolean)
    .join(' ');

/** A table stays one for screen readers also where its rows are drawn as cards. */
const roleOf = (role: 'table' | 'rowgroup' | 'row' | 'columnheader' | 'cell', cards?: boolean) =>
  cards ? role : undefined;

export function Table<Row>({ caption, columns, rows, keyOf, cards }: TableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class={cards ? 'scroll cards' : 'scroll'} aria-label={caption} tabIndex={0}>
      <table class="table" role={roleOf('table', cards)}>
        <caption class="unseen">{caption}</caption>
        <thead role={roleOf('rowgroup', cards)}>
          <tr role={roleOf('row', cards)}>
            {columns.map((column) => (
              <th key={column.title} scope="col" role={roleOf('columnheader', cards)} class={classOf(column)}>
                {column.head ?? (column.does ? <span class="unseen">{column.title}</span> : column.title)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role={roleOf('rowgroup', cards)}>
          {rows.map((row) => (
            <tr key={keyOf(row)} role={roleOf('row', cards)}>
              {columns.map((column) => (
                <td
                  key={column.title}
                  role={roleOf('cell', cards)}
                  class={classOf(column)}
                  data-label={cards && !column.does ? column.title : undefined}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A list that grows by pages; `empty` stands there instead of a table without rows. */
export function PagedTable<Row>(
  props: Omit<TableProps<Row>, 'rows'> & { pages: Pages<Row>; empty: ComponentChildren },
) {
  const { pages, empty, ...table } = props;
  const { items, error, slow, hasMore, busy, more, reload } = pages;
  if (error && !items) return <Refused error={error} retry={reload} />;
  if (!items) return slow ? <Skeleton rows={8} /> : null;
  if (items.length === 0) return <>{empty}</>;
  return (
    <div class="stack-s">
      <Table {...table} rows={items} />
      {error && <Refused error={error} />}
      <div class="pager">
        <p role="status">
          {hasMore ? words.shown(count(items.length)) : words.all(items.length, count(items.length))}
        </p>
        {hasMore && <Button label={words.more} kind="quiet" compact busy={busy} onClick={more} id="more" />}
      </div>
    </div>
  );
}
