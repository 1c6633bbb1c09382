/**
 * Known answers, one or more per scheme: published test vectors of the projects named, and outputs of
 * crypt(3) (libxcrypt) and Python's hashlib for inputs of our own. Test data only.
 */
export interface Vector {
  scheme: string;
  password: string;
  stored: string;
}

const salt16 = 'AQIDBAUGBwgJCgsMDQ4PEA';

export const vectors: Vector[] = [
  { scheme: 'sha', password: 'hashcat', stored: '{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s=' },
  { scheme: 'sha', password: 'pass', stored: '{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=' },
  { scheme: 'md5', password: 'helloworld', stored: '{MD5}/F4DjTilcDIIVEHn/nAQsA==' },
  { scheme: 'ssha', password: 'hashcat', stored: '{SSHA}FLzWcQqyle6Mo7NvrwXCMAmRzXQxNjYxMTYzNw==' },
  { scheme: 'ssha', password: 'secret', stored: '{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7' },
  { scheme: 'smd5', password: 'testing1234', stored: '{SMD5}UjFY34os/pnZQ3oQOzjqGu4yeXE=' },
  { scheme: 'sha256', password: 'secret', stored: '{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=' },
  {
    scheme: 'ssha256',
    password: 'hashcat',
    stored: '{SSHA256}L5Wk0zPY2lmoR5pH20zngq37KkxFwgTquEhx95rxfVk3Ng==',
  },
  {
    scheme: 'ssha512',
    password: 'hashcat',
    stored:
      '{SSHA512}Bz8w5q6qEtB1Nnc8b1jfTvTXVTwohWag33oghQGOtLChnkZTw/cuJaHQlLJEI3AWKZGCRyLA6Phujdxo+is7AjA2MDcyNjY1Mg==',
  },
  { scheme: 'crypt-des', password: 'hashcat', stored: '{CRYPT}24leDr0hHfb3A' },
  { scheme: 'crypt-des', password: '12345678', stored: '{CRYPT}zZYQyo/kK5WTQ' },
  { scheme: 'crypt-des', password: 'hashcat', stored: '{crypt}..wYDGYm7AGDM' },
  { scheme: 'crypt-md5', password: 'hashcat', stored: '{CRYPT}$1$38652870$DUjsu4TTlTsOe/xxZ05uf/' },
  { scheme: 'crypt-md5', password: 'pässwörd', stored: '$1$38652870$hi5nIU4cpugwamTgeSfFa0' },
  {
    scheme: 'crypt-sha256',
    password: 'hashcat',
    stored: '{CRYPT}$5$7777657035274252$XftMj84MW.New1/ViLY5V4CM4Y7EBvfETaZsCW9vcJ8',
  },
  {
    scheme: 'crypt-sha256',
    password: 'pässwörd',
    stored: '$5$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T4',
  },
  {
    scheme: 'crypt-sha512',
    password: 'hashcat',
    stored:
      '{CRYPT}$6$72820166$U4DVzpcYxgw7MVVDGGvB2/H5lRistD5.Ah4upwENR5UtffLR4X4SxSzfREv8z6wVl0jRFX40/KnYVvK4829kD1',
  },
  {
    scheme: 'crypt-sha512',
    password: '12345678',
    stored:
      '{CRYPT}$6$rounds=1000$saltstring$8yXlkZ327t0aK.8Uvcsx7Hj..mdMsEjl3KJ9hFPLft.HRPA0GunDuU7OF6RdgvReamdghthbILABcadtkoFeN1',
  },
  {
    scheme: 'bcrypt',
    password: 'hashcat',
    stored: '{CRYPT}$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
  },
  {
    scheme: 'bcrypt',
    password: 'hashcat',
    stored: '{CRYPT}$2y$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
  },
  {
    scheme: 'bcrypt',
    password: 'hashcat',
    stored: '$2b$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
  },
  {
    scheme: 'pbkdf2-sha1',
    password: 'secret',
    stored: '{PBKDF2}60000$Y6ZHtTTbeUgpIbIW0QDmDA$j/aU7jFKUSbH4UobNQDm9OEIwuw',
  },
  {
    scheme: 'pbkdf2-sha1',
    password: 'password',
    stored: '{PBKDF2-SHA1}1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI',
  },
  {
    scheme: 'pbkdf2-sha256',
    password: 'secret',
    stored: `{PBKDF2-SHA256}10000$${salt16}$U0WVRTp8DfrIcKvmhhNkcUrd/PX3OoPtKkwTZksMfp8`,
  },
  {
    scheme: 'pbkdf2-sha512',
    password: 'secret',
    stored: `{PBKDF2-SHA512}10000$${salt16}$IQ7xQbyyOeI/E5FUFTAm6Gjo3XJj4JyYJeXheOTmXgTXiMq1wf4cZeXXg5Zcsq2n00oU43Zk4i46AF746Z52aA`,
  },
  {
    scheme: 'argon2id',
    password: 'hashcat',
    stored:
      '{ARGON2}$argon2id$v=19$m=65536,t=3,p=1$FBMjI4RJBhIykCgol1KEJA$2ky5GAdhT1kH4kIgPN/oERE3Taiy43vNN70a3HpiKQU',
  },
  {
    scheme: 'pkcs5s2',
    password: 'secret',
    stored: '{PKCS5S2}TzwIctDE2RJIQfT+O473W5+qhSAyof1Kz+hfe2kvAcnDe2uVzdp/ymw5V7mHH+Zv',
  },
  {
    scheme: 'pkcs5s2',
    password: 'hashcat',
    stored: '{PKCS5S2}NTczNTY0NDY2NjQyNzU1Mx8gGiRGobaZYwumctGHbn2ZOHB8LkwzH+Z1gkWfy1zD',
  },
  {
    scheme: 'pkcs5s2',
    password: 'password',
    stored: '{PKCS5S2}DQIXJU038u4P7FdsuFTY/+35bm41kfjZa57UrdxHp2Mu3qF2uy+ooD+jF5t1tb8J',
  },
  {
    scheme: 'openmrs-sha512',
    password: 'password',
    stored:
      '{OPENMRS}salt$fa6a2185b3e0a9a85ef41ffb67ef3c1fb6f74980f8ebf970e4e72e353ed9537d593083c201dfd6e43e1c8a7aac2bc8dbb119c7dfb7d4b8f131111395bd70e97f',
  },
  {
    scheme: 'openmrs-sha1',
    password: 'password',
    stored: '{OPENMRS}salt$c88e9c67041a74e0357befdff93f87dde0904214',
  },
  {
    scheme: 'openmrs-sha1-short',
    password: 'password',
    stored: '{OPENMRS}salt$c88e9c6741a74e0357befdff93f87dde0904214',
  },
  {
    scheme: 'keycloak-pbkdf2-sha256',
    password: 'password',
    stored: `{KEYCLOAK-PBKDF2-SHA256}27500$${salt16}$RvWKMXUzJHfaRtt7f/WqWUlI44nb9K/zmxfpZutV41ywADwb/5Rs/46KQC/mDTodHXlZzwL4J6JD9xEMbTUhMA==`,
  },
  {
    scheme: 'keycloak-pbkdf2-sha512',
    password: 'password',
    stored: `{KEYCLOAK-PBKDF2-SHA512}210000$${salt16}$A0Jj8DP0yXMh4p9rnbd3N4RJj8ODNayPLOsJ8oOrOQVUrtk78+PEwf6hiU3UT8JsR4cCltCwqJzohUuCjyMQmQ==`,
  },
  {
    scheme: 'discourse',
    password: 'password',
    stored:
      '{DISCOURSE}$pbkdf2-sha256$i=600000,l=32$saltsaltsaltsalt$3257cf76e56a9cc4e3afa561c3fd4daa6952b61e91c4e365955121042cfb94a2',
  },
];

/** Met in exports, not verifiable: stored text and the name the report gives it. */
export const foreign: [stored: string, scheme: string][] = [
  ['{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0', 'yescrypt'],
  ['{SASL}ada@EXAMPLE.ORG', 'sasl'],
  ['{KERBEROS}ada@EXAMPLE.ORG', 'kerberos'],
  ['{CLEARTEXT}password', 'cleartext'],
  ['{TOTP1}ABCDEFGH', 'totp'],
  ['{APR1}$apr1$abcdefgh$0123456789012345678901', 'apr1'],
  ['$apr1$abcdefgh$0123456789012345678901', 'apr1'],
  ['{CRYPT}$2x$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', 'bcrypt-2x'],
  ['{CRYPT}_J9..K0AyUubDrfOgO4s', 'bsdi-des'],
  ['$S$C20340258nzjDWpoQthrdNTR02f0pmev0K/5/Nx80WSkOQcPEQRh', 'drupal7'],
  ['$P$946647711V1klyitUYhtB8Yw5DMA/w.', 'phpass'],
  ['pbkdf2_sha256$10000$1135411628$bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE=', 'django-pbkdf2'],
  [
    'sQnzu7wkTrgkQZF+0G1hi5AI3Qmzvv0bXgc5THBqi7mAsdd4Xll27ASbRt9fEyavWi6m0QP9B8lThf+rDKy8hg==',
    'atlassian-sha1',
  ],
  ['{PBKDF2_SHA256}AAAnEBAQEBAQEBAQ', '389ds-pbkdf2'],
  ['{MADEUP}abc', 'unknown'],
  ['24leDr0hHfb3A', 'unnamed'],
  ['password', 'unnamed'],
  ['', 'none'],
  ['x', 'none'],
  ['*', 'none'],
  ['!', 'none'],
  ['!!', 'none'],
  ['*LK*', 'none'],
  ['nopass', 'none'],
  ['{CRYPT}x', 'none'],
  ['{CRYPT}*', 'none'],
  ['{CRYPT}!24leDr0hHfb3A', 'none'],
];
