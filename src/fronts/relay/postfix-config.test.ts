import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { postfixMissing } from '#test/peers/postfix.ts';
import { type PostfixConfigInput, postfixConfig } from './postfix-config.ts';
import { relayAppSettings } from './settings.ts';

const run = promisify(execFile);

const app = (id: string, settings: object) => ({
  id,
  title: id,
  enabled: true,
  settings: relayAppSettings.parse(settings),
});

const input: PostfixConfigInput = {
  domains: ['members.harbour.test', 'people.harbour.test'],
  apps: [
    app('jira', { networks: ['192.0.2.0/24'], require: [], maxBytes: 30_000_000 }),
    app('wiki', { networks: ['192.0.2.0/24'], mode: 'rewritten' }),
    app('forum', { domains: ['forum.example'] }),
    app('shop', { networks: ['198.51.100.7'] }),
  ],
  name: 'mx.harbour.test',
  mailDomain: 'harbour.test',
  backend: { host: '127.0.0.1', socketmapPort: 10_023, policyPort: 10_024, milterPort: 10_025 },
  smartHosts: [
    'smtp://gatehouse:s%C3%A9cret@mail.example:587',
    'smtp://mail2.example',
    'smtp://127.0.0.1:2525',
  ],
  tls: { cert: '/etc/gatehouse/tls/mx.pem', key: '/etc/gatehouse/tls/mx.key' },
};

/** What Postfix itself understands of a configuration. */
async function understood(main: string): Promise<Map<string, string>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'postfix-config-'));
  try {
    await mkdir(path.join(directory, 'q'));
    await writeFile(path.join(directory, 'main.cf'), main);
    await writeFile(path.join(directory, 'master.cf'), '');
    const { stdout, stderr } = await run('/usr/sbin/postconf', ['-c', directory, '-n']);
    assert.equal(stderr, '', 'no name that Postfix does not know');
    return new Map(stdout.split('\n').map((line) => line.split(/ = ?/, 2) as [string, string]));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test('Postfix understands every line, and says what we meant', { skip: postfixMissing() }, async () => {
  const read = await understood(postfixConfig(input));
  assert.equal(read.get('virtual_alias_domains'), 'members.harbour.test, people.harbour.test');
  assert.equal(read.get('myorigin'), 'harbour.test');
  // Left out, Postfix warns at every start: of NIS, and of reports that are to live longer than mail.
  assert.equal(read.get('alias_maps'), '');
  assert.equal(read.get('bounce_queue_lifetime'), '1d');
  assert.equal(read.get('relayhost'), '[mail.example]:587');
  assert.equal(read.get('smtp_fallback_relay'), '[mail2.example]:25, [127.0.0.1]:2525');
  assert.equal(read.get('smtp_tls_security_level'), 'secure');
  assert.equal(read.get('message_size_limit'), '30000000');
  assert.ok(read.has('smtpd_tls_chain_files') && read.has('smtp_sasl_password_maps'));
  assert.equal(read.get('smtpd_milters'), 'inet:127.0.0.1:10025');
  assert.equal(read.get('milter_default_action'), 'tempfail');
  assert.equal(read.get('internal_mail_filter_classes'), 'bounce');
  assert.match(read.get('smtpd_relay_restrictions') ?? '', /policy_context=judged-by-milter/);
  const other = await understood(postfixConfig({ ...input, smartHosts: ['smtps://mail.example'] }));
  assert.equal(other.get('smtp_tls_wrappermode'), 'yes');
  const least = await understood(postfixConfig({ ...input, smartHosts: [], tls: undefined, apps: [] }));
  assert.ok(!least.has('relayhost') && !least.has('smtpd_tls_security_level'));
});

test('it holds no password, and says of which apps no mail is let in', () => {
  const main = postfixConfig(input);
  assert.ok(!/s(é|%C3%A9)cret|gatehouse:/.test(main));
  assert.match(main, /^#\s+\[mail\.example\]:587 USER:PASSWORD$/m);
  assert.match(main, /^# Not let in here:\n# +wiki: its mail is rewritten, [^\n]+\n[^#]/m);
  assert.match(
    postfixConfig({ ...input, smartHosts: ['smtp://[::1]:25'] }),
    /^relayhost = \[IPv6:::1\]:25$/m,
  );
  assert.throws(() => postfixConfig({ ...input, smartHosts: ['mail.example'] }), RangeError);
  assert.match(
    postfixConfig({ ...input, smartHosts: ['smtps://a.example', 'smtp://b.example'] }),
    /do not go together/,
  );
});
