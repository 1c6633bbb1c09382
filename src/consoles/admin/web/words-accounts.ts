/** Every text about the accounts of a person or group at targets, and about erasing somebody. */
export const accountWords = {
  tab: 'Accounts at apps',
  title: 'Accounts at apps',
  groupTitle: 'At apps',
  nonePerson: 'No app is given accounts from here',
  noneGroup: 'No app is given this group',
  nothing: 'Nothing has happened there yet.',
  off: 'This target is off.',
  replay: 'Send again',
  replayAt: (app: string) => `Send again to ${app}`,
};

export const eraseWords = {
  act: 'Erase for good',
  title: (name: string) => `Erase ${name} for good?`,
  text: 'Everything that says who they were goes: names, addresses, fields, what they signed in with. The id stays, so that the log still adds up. Their accounts at apps follow the leaver rule of each target.',
  noReturn: 'This cannot be taken back.',
  expect: (username: string) => `Type their user name: ${username}`,
  reason: 'Why, in a few words',
  reasonHelp: 'Kept in the log for good: it should not name them.',
};
