import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attributes, type Html, html, join, raw, safeLink } from './html.ts';

test('FE-04 text is escaped in content and in attributes, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const content = String(html`<p>${text}</p>`).slice(3, -4);
      const value = String(html`<p title="${text}"></p>`).slice(10, -6);
      for (const out of [content, value])
        assert.doesNotMatch(out, /[<>"'`]|&(?!(?:amp|lt|gt|quot|#39|#96);)/);
    }),
  );
  assert.equal(String(html`<p>${'<b>&"\''}</p>`), '<p>&lt;b&gt;&amp;&quot;&#39;</p>');
});

test('markup is taken as it is, lists are joined, nothing is nothing', () => {
  const list = ['a', '<'].map((item) => html`<li>${item}</li>`);
  assert.equal(
    String(html`<ul>${list}${null}${undefined}${false}${3}</ul>`),
    '<ul><li>a</li><li>&lt;</li>3</ul>',
  );
  assert.equal(String(join(['<', raw('<br>')], raw(' · '))), '&lt; · <br>');
});

test('FE-04 what arrives as data can never be markup', () => {
  const forged = JSON.parse('{"markup":"<script>","toString":"x"}') as Html;
  assert.throws(() => html`<p>${forged}</p>`, TypeError);
  assert.throws(() => html`<p>${(() => 'x') as unknown as string}</p>`, TypeError);
});

test('a value where escaping is not enough is refused when the page is first drawn', () => {
  assert.throws(() => html`<a href=${'x'}>`, /Unquoted/);
  assert.throws(() => html`<a onclick="${'x'}">`, /onclick/);
  assert.throws(() => html`<p style="${'x'}">`, /style/);
  assert.throws(() => html`<script>${'x'}</script>`, TypeError);
  assert.throws(() => attributes({ onclick: 'x' }), /onclick/);
  assert.throws(() => attributes({ 'a b': 'x' }), /a b/);
  assert.equal(
    String(html`<script src="${'/a.js'}"></script><p>${'<'}</p>`),
    '<script src="/a.js"></script><p>&lt;</p>',
  );
});

test('FE-03 a link can be followed, never executed', () => {
  const hostile = [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java\tscript:alert(1)',
    'java\nscript:alert(1)',
    '\u0001javascript:alert(1)',
    'vbscript:x',
    'data:text/html,<script>',
    'data:text/html;base64,AAAA',
    'blob:https://x',
    'file:///etc/passwd',
  ];
  for (const target of hostile) {
    assert.equal(String(html`<a href="${target}">x</a>`), '<a href="#">x</a>', JSON.stringify(target));
    assert.equal(String(attributes({ href: target })), ' href="#"');
  }
  for (const target of [
    '/a?b=c:d',
    'https://example.org/',
    'mailto:a@example.org',
    '#x',
    'a/b:c',
    '?x=javascript:',
  ]) {
    assert.equal(safeLink(target), target);
  }
});

test('attributes: true is bare, false and undefined are left out', () => {
  assert.equal(
    String(attributes({ id: 'a"b', hidden: true, title: undefined, disabled: false, rows: 3 })),
    ' id="a&quot;b" hidden rows="3"',
  );
});
