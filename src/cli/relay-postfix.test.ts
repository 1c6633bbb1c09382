import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminal } from '#test/command.ts';
import { closeAfterEach, startPlatform } from '#test/kit.ts';

closeAfterEach();

const ports = { GATEHOUSE_SOCKETMAP_PORT: '10023', GATEHOUSE_POLICY_PORT: '10024' };
const domain = { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' };

/** A command beside a running house with these settings. */
async function house(env: Record<string, string>) {
  const platform = await startPlatform({ env });
  const { run: command } = terminal(() => platform);
  const run = (...args: string[]) => command(['relay', 'postfix-config', ...args]);
  return { platform, run };
}

test('the configuration for Postfix says what is set here, and no password', async () => {
  const { platform, run } = await house({
    ...domain,
    ...ports,
    GATEHOUSE_SMTP_NAME: 'mx.harbour.test',
    GATEHOUSE_MAIL_DOMAIN: 'example.org',
    GATEHOUSE_SMTP_URL: 'smtps://gatehouse:hush-hush@mail.example, smtps://gatehouse:hush-hush@mail2.example',
  });
  await platform.apply(`
applications: [{ id: jira, title: Jira }]
relay: { senders: { jira: { networks: [192.0.2.0/24] } } }
`);
  const whole = await run();
  assert.equal(whole.status, 0, whole.err);
  for (const line of [
    /^myhostname = mx\.harbour\.test$/m,
    /^myorigin = example\.org$/m,
    /^virtual_alias_domains = people\.harbour\.test$/m,
    /^virtual_alias_maps = socketmap:inet:127\.0\.0\.1:10023:alias$/m,
    /check_policy_service \{ inet:127\.0\.0\.1:10024,/,
    /^relayhost = \[mail\.example\]:465$/m,
    /^smtp_fallback_relay = \[mail2\.example\]:465$/m,
    /^# +jira: let in where milters/m,
    /sender_canonical_maps=socketmap:inet:127\.0\.0\.1:10023:srs$/m,
  ])
    assert.match(whole.out, line);
  assert.ok(!whole.out.includes('hush'));
  const [main, master] = [await run('--part', 'main.cf'), await run('--part', 'master.cf')];
  assert.equal(`${main.out}${master.out}`.replace(/\n+/g, '\n'), whole.out.replace(/\n+/g, '\n'));
  const milters = await run('--milters', 'inet:127.0.0.1:8891, unix:/run/opendmarc.sock');
  assert.match(milters.out, /^smtpd_milters = inet:127\.0\.0\.1:8891, unix:\/run\/opendmarc\.sock$/m);
  for (const wrong of [
    ['--part', 'other'],
    ['--milters', 'x y'],
  ]) {
    const { status, out, err } = await run(...wrong);
    assert.deepEqual([status, out], [2, ''], err);
  }
});

test('what is missing is said', async () => {
  const unasked = await (await house(domain)).run();
  assert.deepEqual([unasked.status, unasked.out], [1, '']);
  assert.match(unasked.err, /GATEHOUSE_SOCKETMAP_PORT/);
  const homeless = await (await house(ports)).run();
  assert.equal(homeless.status, 1);
  assert.match(homeless.err, /GATEHOUSE_ALIAS_DOMAIN/);
});
