import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encrypt } from 'unixcrypt';
import { desCrypt } from './des-crypt.ts';
import { shaCrypt } from './sha-crypt.ts';

// Made with crypt(3) of libxcrypt.
const desVectors: [password: string, hash: string][] = [
  ['hashcat', 'ab9j1qG1p7TMk'],
  ['', 'abmF1QH4PEr.E'],
  ['12345678', 'ab1iBa.N.U2C6'],
  ['pässwörd', 'abzp3RXJm5gNA'],
  ['hashcat', '..wYDGYm7AGDM'],
  ['', '..X8NBuQ4l6uQ'],
  ['12345678', '..EXlUiP8mHCU'],
  ['hashcat', 'zZm.Nek8jDZTc'],
  ['12345678', 'zZYQyo/kK5WTQ'],
  ['hashcat', '/9u0mtn3V9t8Q'],
  ['pässwörd', '/94FatzdIfOZE'],
];

test('DES crypt gives what crypt(3) gives, for salts of all kinds', () => {
  for (const [password, hash] of desVectors)
    assert.equal(hash.slice(0, 2) + desCrypt(Buffer.from(password), hash.slice(0, 2)), hash);
});

// crypt(3) over that many times "k", 1,000 rounds, salt "saltstring"; multiples of the digest's size matter.
const shaVectors: [algorithm: 'sha256' | 'sha512', length: number, hash: string][] = [
  ['sha256', 0, 'TzAJABAaJwl111nyuH1uQy8kjHahyMHq1D7Y09hLQV1'],
  ['sha256', 1, '9dIJjldJigT4xGizyH/8gYjjI/E8hTbGsaEaLllvxr9'],
  ['sha256', 15, 'WLz0.MQ9FcFxymxCxSHdlfbvWijwyXYsFR8omTclwt6'],
  ['sha256', 31, '8ayvPGziLE/XZV0dXPeqIr9GM5E5elHuzjqlR5M2KUC'],
  ['sha256', 32, 'eZAMvwuD60kEIZ21D1jl4cYU8FJU9sTe4rNy6GuQWF/'],
  ['sha256', 33, 'qPwu8jMsg.cK0DJyx4vmxGBb3j.rqa2y1grvXJXAheC'],
  ['sha256', 63, '67EiwqBuYrEY11Uadh9j9HphfgjPF0ByHOStKHPdyU2'],
  ['sha256', 64, '82ugL5k.5cOipfSzrqOk5f7nInuN/ryLdggTk/vwbu6'],
  ['sha256', 65, 'yFa/a8GZ/BTWre8KWVVE3byQO1hKaz7fNkg2nVfMLw1'],
  ['sha256', 96, 'Xmm2HESWr3aA5Sq98Hxz/mSNirZb8SLfq8cpUH7ugp9'],
  ['sha256', 128, 'FYqJvplu2MmujIDOzg6UFCio2zPpTBVZTHKNnYgGh3.'],
  ['sha256', 200, 'B/3gPnLJC1FfG7L2bECTYJ/d.sFFOrApMH8UWFh1v./'],
  ['sha512', 0, 'CF.N.0BYYN72qUcyvvSEsw6BVOF30ljypIAf09OO9srNHWPxyxF8MeuK7MXWjGoVlM.3yAAk/owEEJQEYuWsY1'],
  ['sha512', 1, 'BHXS0ahtcc/Y/hxv9JFfY07Vm5bKCDah/SD4f.fOXArt2DnkjrO/wIrYE1j5XQcLtaHYvIrAv6ATbi/lEy75N.'],
  ['sha512', 15, 'GBc9n.MQlA4mrh/2vPDPk8AEZ8RQuOcZB1eAuwEBr9YZAoIV.C3J31Fj0TxirSlhzC6F9kzIhUbePDAz.7Rn90'],
  ['sha512', 31, 'xx1z1MDcHdAi6q9wIu1l4PzIql.6mBAm0VSydiJ4sv1Bz5T8bIwHFJwZvUW1BINTyEyd2iqIaPjFA.fAIvLbS0'],
  ['sha512', 32, 'v5Ag/WgegYo4kuYK601E2hj6t/K7xO6Ju3mYkRkcVRoOt7ACH6u1ad2tRABycUP7qrlJRuchqHI3MIuyeMDaf/'],
  ['sha512', 33, '3RloXJGuZTIXooZ0D/qkteq2Qi6f8VOiUGmJpBMcnQbPEX7w5sMjDKeWSjOtx/TVp7ZnimWJdlx65w4nQnTRn0'],
  ['sha512', 63, 'ThFh1.a2omcovSstF0DHu5A1g5GsWa8krlFUSzaJF54guNwPr/izZaM2jzgQ3BOSVebI2TSgFueo/3/i8YeO2/'],
  ['sha512', 64, 'ogggZucNqcFL3vDATlaOeJbTOy1zGcW0jL22M6tW1tgcmgoLDtcwvS2YbkjJdPozljYSjpqcLID5K3lZ66gc40'],
  ['sha512', 65, 'mxXHL494Cidgx8GRPGwCPg2bZ9155IzFHftki3LCG7ZtAerLe0xArrY0sq4VVIadi.ZExbGtuh4JeWxuI6yud/'],
  ['sha512', 96, 'nhWXKwB0iseIbxjQSqbOfX3ZycY95/heh2ASpjhHhTtBnoFTULKgPPzZDCZx9SISUbScUd1dzobYwKNZbNnAx.'],
  ['sha512', 128, 'aBZZaun24Avd7aZOpfx/B4cOmjeY0GPp01k/FYbsXxamJKkXvNCOTieHAopvvp6WBHMMR2BXWicDAHCbx3kON1'],
  ['sha512', 200, 'vmH6iswKwnRdcbN6qd7vsvpqK8T1lxQcgmjn6.MdHJ/LgaQOYyx.cmK5SSYimsYcR7LLIX5yL7jR31p27OU3B.'],
];

test('SHA-crypt gives what crypt(3) gives for every length of password', async () => {
  for (const [algorithm, length, hash] of shaVectors) {
    const password = Buffer.from('k'.repeat(length));
    assert.equal(await shaCrypt(algorithm, password, Buffer.from('saltstring'), 1_000), hash, `${length}`);
  }
});

test('rounds in the hundred thousands leave the event loop free', async () => {
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 1);
  await shaCrypt('sha256', Buffer.from('hashcat'), Buffer.from('salt'), 100_000);
  clearInterval(counting);
  assert.ok(turns >= 10, `${turns} turns`);
});

test('SHA-crypt agrees with an independent implementation wherever that one is right', async () => {
  for (const [kind, algorithm, size] of [
    [5, 'sha256', 32],
    [6, 'sha512', 64],
  ] as const) {
    for (let length = 1; length < 140; length += 9) {
      const password = 'pässwörd-'.repeat(20).slice(0, length);
      if (Buffer.byteLength(password) % size === 0) continue;
      const theirs = encrypt(password, `$${kind}$rounds=1000$./saltSALT`).split('$').at(-1);
      const ours = await shaCrypt(algorithm, Buffer.from(password), Buffer.from('./saltSALT'), 1_000);
      assert.equal(ours, theirs, `${algorithm} ${length}`);
    }
  }
});
