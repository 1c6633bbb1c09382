import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exif, jpegHead, jpegTurned, makePng } from '#test/pictures.ts';
import { orientationOf } from './orientation.ts';

test('what a camera notes beside a picture is read, in either order of bytes', () => {
  for (const asked of [1, 2, 3, 6, 8])
    for (const order of ['II', 'MM'] as const) {
      const picture = jpegTurned(asked, order);
      assert.equal(orientationOf(picture), asked, order);
    }
});

test('what asks for nothing, or cannot be read, is upright', () => {
  const whole = jpegTurned(6);
  const [start, rest] = [whole.subarray(0, 2), whole.subarray(2)];
  const xmp = Buffer.from('ffe1000e687474703a2f2f6e732e6164', 'hex');
  const upright: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'a PNG': makePng(4, 4),
    'a plain JPEG': jpegHead(80, 40),
    'a value there is not': jpegTurned(9),
    'no value': jpegTurned(0),
    'another mark at its beginning': Buffer.concat([start, exif(6, 'II', { mark: 41 }), rest.subarray(36)]),
    'a directory beyond the end': Buffer.concat([start, exif(6, 'II', { directory: 0xffff_fff0 })]),
    'a text where a number belongs': Buffer.concat([start, exif(6, 'MM', { type: 2 })]),
    'a segment behind the picture': Buffer.concat([start, Buffer.from('ffd9', 'hex'), rest]),
  };
  for (const [name, content] of Object.entries(upright)) assert.equal(orientationOf(content), 1, name);
  assert.equal(orientationOf(Buffer.concat([start, xmp, rest])), 6, 'behind a segment of the same kind');
  for (let length = 0; length < whole.length; length += 1) orientationOf(whole.subarray(0, length));
  for (let at = 0; at < whole.length; at += 1) {
    const bent = Buffer.from(whole);
    bent[at] = 0xff;
    const found = orientationOf(bent);
    assert.ok(found >= 1 && found <= 8);
  }
});
