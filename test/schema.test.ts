import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { describeSchema, schemaFile } from '../tools/schema.ts';
import { testDatabase } from './kit.ts';

test('db/schema.sql is what the migrations make, on whichever PostgreSQL this runs', async () => {
  const { database, close } = await testDatabase();
  assert.equal(
    await describeSchema(database),
    readFileSync(schemaFile, 'utf8'),
    'run tools/schema.ts and look',
  );
  await close();
});
