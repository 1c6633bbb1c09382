import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminal } from '#test/command.ts';
import { closeAfterEach, startPlatform } from '#test/kit.ts';

closeAfterEach();

const ports = {
  GATEHOUSE_SOCKETMAP_PORT: '10023',
  GATEHOUSE_POLICY_PORT: '10024',
  GATEHOUSE_MILTER_PORT: '10025',
};
const domain = { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' };

/** A command beside a running house with these settings. */
async function house(env: Record<string, string>) {
  const platform = await startPlatform({ env });
  const { run: command } = terminal(() => platform);
  const run = () => command(['relay', 'postfix-config']);
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
    /^smtpd_milters = inet:127\.0\.0\.1:10025$/m,
  ])
    assert.match(whole.out, line);
  assert.ok(!whole.out.includes('hush'));
});

test('what is missing is said', async () => {
  const unasked = await (await house(domain)).run();
  assert.deepEqual([unasked.status, unasked.out], [1, '']);
  assert.match(unasked.err, /GATEHOUSE_SOCKETMAP_PORT, GATEHOUSE_POLICY_PORT and GATEHOUSE_MILTER_PORT/);
  const homeless = await (await house(ports)).run();
  assert.equal(homeless.status, 1);
  assert.match(homeless.err, /GATEHOUSE_ALIAS_DOMAIN/);
});
