/** What the database itself says about its tables, for archives: their order, their columns, their sequences. */
import type { Tx } from './tx.ts';

export interface Column {
  name: string;
  quoted: string;
  type: string;
}

export interface Table {
  name: string;
  quoted: string;
  columns: Column[];
  /** The COPY that reads it. */
  copyOut: string;
}

export interface Sequence {
  table: string;
  column: string;
  value: string;
  called: boolean;
}

const history = ['schema_migrations', 'schema_migrations_lock'];

/** Tables that hold rows as soon as the schema is there: they do not count as something kept. */
const filledByMigrations = ['event_cursors', 'house_facts'];

/** Every table of the schema, those first that others refer to; and the migrations behind it. */
export async function tablesOf(tx: Tx): Promise<{ tables: Table[]; schema: string[] }> {
  const rows = await tx.query<{ name: string; quoted: string; columns: Column[] }>(
    `select c.relname as name, quote_ident(c.relname) as quoted,
       jsonb_agg(jsonb_build_object('name', a.attname, 'quoted', quote_ident(a.attname),
         'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and a.attgenerated = ''
       and c.relname <> all ($1::text[])
     group by c.oid, c.relname order by c.relname`,
    [history],
  );
  const references = await tx.query<{ child: string; parent: string }>(
    `select child.relname as child, parent.relname as parent from pg_constraint k
     join pg_class child on child.oid = k.conrelid join pg_class parent on parent.oid = k.confrelid
     where k.contype = 'f' and k.connamespace = current_schema()::regnamespace and child.oid <> parent.oid`,
  );
  const schema = await tx.query<{ name: string }>('select name from schema_migrations order by name');
  const tables = rows.map((row) => ({ ...row, copyOut: copyOut(row.quoted, row.columns) }));
  return { tables: inOrder(tables, references), schema: schema.map((row) => row.name) };
}

/**
 * Transaction ids count the life of one server and mean nothing on another, where they may lie in the future: they are
 * archived as 0, before everything that comes.
 */
function copyOut(quoted: string, columns: readonly Column[]): string {
  const read = columns.map((column) => (column.type === 'xid8' ? `'0'::xid8` : column.quoted));
  return `copy (select ${read.join(', ')} from ${quoted}) to stdout`;
}

function inOrder(
  tables: readonly Table[],
  references: readonly { child: string; parent: string }[],
): Table[] {
  const ordered: Table[] = [];
  const left = new Map(tables.map((table) => [table.name, table]));
  while (left.size > 0) {
    const ready = [...left.values()].filter(
      ({ name }) => !references.some((one) => one.child === name && left.has(one.parent)),
    );
    if (ready.length === 0)
      throw new Error(`Tables refer to each other in a circle: ${[...left.keys()].join(', ')}`);
    for (const table of ready) left.delete(table.name);
    ordered.push(...ready);
  }
  return ordered;
}

/** Where the sequences of identity columns stand. */
export async function sequencesOf(tx: Tx, tables: readonly Table[]): Promise<Sequence[]> {
  const found: Sequence[] = [];
  for (const table of tables) {
    for (const column of table.columns) {
      const [owned] = await tx.query<{ name: string | null }>(
        'select pg_get_serial_sequence($1, $2) as name',
        [table.quoted, column.name],
      );
      if (!owned?.name) continue;
      const [at] = await tx.query<{ value: string; called: boolean }>(
        `select last_value::text as value, is_called as called from ${owned.name}`,
      );
      if (at) found.push({ table: table.quoted, column: column.name, ...at });
    }
  }
  return found;
}

export async function setSequences(tx: Tx, sequences: readonly Sequence[]): Promise<void> {
  for (const { table, column, value, called } of sequences)
    await tx.query('select setval(pg_get_serial_sequence($1, $2), $3::bigint, $4)', [
      table,
      column,
      value,
      called,
    ]);
}

/** Whether no table holds a row but those that migrations put there, which are removed. */
export async function makeEmpty(tx: Tx, tables: readonly Table[]): Promise<boolean> {
  const isFilled = (table: Table) => filledByMigrations.includes(table.name);
  const questions = tables
    .filter((table) => !isFilled(table))
    .map((table) => `exists (select from ${table.quoted})`);
  const [row] = await tx.query<{ there: boolean }>(`select ${questions.join(' or ')} as there`);
  if (row?.there !== false) return false;
  for (const table of tables.filter(isFilled)) await tx.query(`delete from ${table.quoted}`);
  return true;
}

/** How many other programs of ours are connected to this database. */
export async function otherSessions(tx: Tx): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `select count(*) as count from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and application_name like 'gatehouse%'`,
  );
  return row?.count ?? 0;
}
