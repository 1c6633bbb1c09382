import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { findPlace, makePrivate, mayPassAll } from './embedded-place.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-place-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder is out of reach when any folder above it is', (t) => {
  const folder = folderFor(t);
  const inner = path.join(folder, 'a', 'b');
  mkdirSync(inner, { recursive: true, mode: 0o755 });
  // An account that owns none of this and is in no group of it.
  const stranger = { uid: 3_999_999, gid: 3_999_999, name: 'stranger' };
  chmodSync(folder, 0o700);
  assert.equal(mayPassAll(inner, stranger), false);
  chmodSync(folder, 0o711);
  assert.equal(mayPassAll(inner, stranger), true);
  chmodSync(inner, 0o700);
  assert.equal(mayPassAll(inner, stranger), false);
  assert.equal(mayPassAll(inner, { ...stranger, uid: statSync(inner).uid }), true);
});

test('a socket folder that others may enter is refused with a sentence', (t) => {
  const folder = path.join(folderFor(t), 'socket');
  makePrivate(folder, undefined);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  makePrivate(folder, undefined);
  chmodSync(folder, 0o750);
  assert.throws(
    () => makePrivate(folder, undefined),
    /should be a folder of this account alone \(mode 0700\)/,
  );
});

test('a path too long for a socket gets a short one of its own, the same every time', (t) => {
  const folder = folderFor(t);
  chmodSync(folder, 0o711);
  const long = path.join(folder, 'x'.repeat(100));
  const place = findPlace(long);
  t.after(() => rmSync(place.socket, { recursive: true, force: true }));
  assert.ok(place.home.startsWith(long));
  assert.ok(Buffer.byteLength(place.socket) <= 86, place.socket);
  assert.equal(findPlace(long).socket, place.socket);
  assert.notEqual(findPlace(`${long}y`).socket, place.socket);
  rmSync(findPlace(`${long}y`).socket, { recursive: true, force: true });
});
