import type { Tx } from '#kit/db/tx.ts';
import type { AttributeDeclaration, AttributeValue } from './attributes.ts';

export async function readDeclarations(tx: Tx): Promise<AttributeDeclaration[]> {
  const rows = await tx.query<{ declaration: AttributeDeclaration }>(
    'select declaration from attributes order by position, name',
    [],
    'attributes-read',
  );
  return rows.map((row) => row.declaration);
}

export async function writeDeclaration(
  tx: Tx,
  declaration: AttributeDeclaration,
  position: number,
): Promise<void> {
  await tx.query(
    `insert into attributes (name, declaration, position) values ($1, $2, $3)
     on conflict (name) do update set declaration = excluded.declaration, position = excluded.position`,
    [declaration.name, JSON.stringify(declaration), position],
  );
}

export async function deleteDeclaration(tx: Tx, name: string): Promise<void> {
  await tx.query('delete from attributes where name = $1', [name]);
}

export async function valuesOf(
  tx: Tx,
  people: readonly string[],
): Promise<Map<string, Record<string, AttributeValue>>> {
  const rows = await tx.query<{ person: string; name: string; value: AttributeValue }>(
    'select person, name, value from person_attributes where person = any($1::uuid[])',
    [people],
    'attributes-of',
  );
  const found = new Map<string, Record<string, AttributeValue>>();
  for (const row of rows) {
    const values = found.get(row.person) ?? {};
    values[row.name] = row.value;
    found.set(row.person, values);
  }
  return found;
}

export async function writeValues(
  tx: Tx,
  values: readonly { person: string; name: string; value: AttributeValue | undefined }[],
): Promise<void> {
  const kept = values.filter((one) => one.value !== undefined);
  const gone = values.filter((one) => one.value === undefined);
  if (kept.length > 0) {
    await tx.query(
      `insert into person_attributes (person, name, value, updated_at)
       select person, name, value, $2 from jsonb_to_recordset($1::jsonb) as r (person uuid, name text, value jsonb)
       on conflict (person, name) do update set value = excluded.value, updated_at = excluded.updated_at`,
      [JSON.stringify(kept), tx.now()],
    );
  }
  for (const one of gone) {
    await tx.query('delete from person_attributes where person = $1 and name = $2', [one.person, one.name]);
  }
}
