import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAllowList, standingOf } from './destinations.ts';

const ports = new Set([80, 443]);

function judge(allow: string[], host: string, port: number, address = host, allowPrivate = false) {
  const family = address.includes(':') ? 6 : 4;
  return readAllowList(allow).judge(
    { host, port, addresses: [{ address, family }] },
    { allowPrivate, ports },
  );
}

test('SS-01 only global unicast addresses are public', () => {
  for (const open of ['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '2606:4700::1111', '2a00:1450::1']) {
    assert.equal(standingOf(open), 'public', open);
  }
  for (const inside of ['10.1.2.3', '127.0.0.1', '192.168.1.1', '100.64.0.1', '::1', 'fd00::1']) {
    assert.equal(standingOf(inside), 'inside', inside);
  }
  for (const never of [
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '192.0.2.1',
  ]) {
    assert.equal(standingOf(never), 'never', never);
  }
  for (const never of [
    'fe80::1',
    'ff02::1',
    '::',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2002:808:808::1',
    '::8.8.8.8',
  ]) {
    assert.equal(standingOf(never), 'never', never);
  }
  assert.equal(standingOf('localhost'), 'never');
});

test('entries open just what they name', () => {
  const yes = { reachable: true, trusted: true };
  const no = { reachable: false, trusted: false };
  assert.deepEqual(judge(['10.0.0.0/8'], 'jira.example', 8080, '10.2.3.4'), yes);
  assert.deepEqual(judge(['10.0.0.0/8'], 'jira.example', 8080, '11.2.3.4'), no);
  assert.deepEqual(judge(['127.0.0.1'], '127.0.0.1', 9), yes);
  assert.deepEqual(judge(['127.0.0.1:9000'], '127.0.0.1', 9000), yes);
  assert.deepEqual(judge(['127.0.0.1:9000'], '127.0.0.1', 9001), no);
  assert.deepEqual(judge(['[::1]:389'], '::1', 389), yes);
  assert.deepEqual(judge(['Jira.Internal'], 'jira.internal.', 8443, '192.168.0.9'), yes);
  assert.deepEqual(judge(['jira.internal:8443'], 'jira.internal', 8444, '192.168.0.9'), no);
  assert.deepEqual(judge(['jira.internal'], 'jira.internal', 80, '169.254.169.254'), no);
  assert.deepEqual(judge(['jira.internal'], 'evil.jira.internal', 80, '192.168.0.9'), no);
  assert.deepEqual(judge(['fd00::/8'], 'x', 80, '10.0.0.1'), no);
  assert.deepEqual(judge([], '8.8.8.8', 443), { reachable: true, trusted: false });
  assert.deepEqual(judge([], '8.8.8.8', 8443), no);
});

test('permission for private networks covers those and nothing else', () => {
  assert.equal(judge([], 'x', 8090, '192.168.0.9', true).trusted, true);
  assert.equal(judge([], 'x', 8090, '169.254.169.254', true).reachable, false);
  assert.equal(judge([], 'x', 8090, '8.8.8.8', true).reachable, false);
  assert.deepEqual(judge([], 'x', 443, '8.8.8.8', true), { reachable: true, trusted: false });
});

test('one bad address among good ones spoils the destination, and none is no destination', () => {
  const list = readAllowList([]);
  const addresses = [
    { address: '8.8.8.8', family: 4 as const },
    { address: '10.0.0.1', family: 4 as const },
  ];
  assert.equal(list.judge({ host: 'x', port: 443, addresses }, { ports }).reachable, false);
  assert.equal(list.judge({ host: 'x', port: 443, addresses: [] }, { ports }).reachable, false);
});

test('a wrong entry is named', () => {
  for (const entry of [
    '10.0.0.0/99',
    'http://x',
    'a b',
    '',
    ':80',
    'x:0',
    'x:70000',
    '[::1',
    '*.internal',
    'x/8',
  ]) {
    assert.throws(
      () => readAllowList([entry]),
      (error: Error) => error instanceof RangeError && error.message.includes(`"${entry}"`),
      entry,
    );
  }
});
