import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { obstacleText } from './obstacles.ts';

const textOf = async (work: Promise<unknown>) =>
  obstacleText(
    await work.then(
      () => assert.fail('it worked'),
      (error) => error,
    ),
  );

test('what the system says is a sentence with the place and the way out, without its code', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-obstacles-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'file');
  await writeFile(file, '');
  assert.equal(
    await textOf(mkdir(path.join(file, 'postgres'))),
    `There is a file on the way to ${file}/postgres, where a folder is needed. Name another place (GATEHOUSE_DATA).`,
  );
  assert.equal(
    await textOf(writeFile(folder, '')),
    `${folder} is a folder, where a file is needed. Name the file.`,
  );
  const denied = { code: 'EACCES', syscall: 'mkdir', path: '/srv/x' };
  const said = obstacleText(Object.assign(new Error("EACCES: permission denied, mkdir '/srv/x'"), denied))!;
  assert.match(said, /^This account may not use \/srv\/x\. /);
  const low = Object.assign(new Error('listen EACCES'), { code: 'EACCES', address: '::', port: 80 });
  assert.match(obstacleText(low)!, /^This account may not listen on :::80\. Choose a port above 1023/);
});

test('a port that is taken is named, with the setting that chooses it', async (t) => {
  const first = createServer().listen(0, '127.0.0.1');
  t.after(() => first.close());
  await new Promise((resolve) => first.once('listening', resolve));
  const { port } = first.address() as { port: number };
  const second = createServer().listen(port, '127.0.0.1');
  const taken = new Promise((_resolve, reject) => second.once('error', reject));
  assert.equal(
    await textOf(taken),
    `Something listens on 127.0.0.1:${port} already, perhaps this Gatehouse itself. Stop it, or choose another port (GATEHOUSE_PORT).`,
  );
});

test('other errors are left to those who know them', () => {
  assert.equal(obstacleText(new Error('x')), undefined);
  assert.equal(obstacleText(Object.assign(new Error('x'), { code: '23505' })), undefined);
  assert.equal(obstacleText(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })), 'write EPIPE.');
});
