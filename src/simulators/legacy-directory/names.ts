/** Invented people: names of many scripts, none of a real person in this combination. */

/** Given name, family name, and how their owner would write both in a user name. */
export const people: [given: string, family: string, ascii: string][] = [
  ['Amara', 'Okafor', 'amara okafor'],
  ['Tomasz', 'Wiśniewski', 'tomasz wisniewski'],
  ['José', 'Muñoz Ibáñez', 'jose munoz'],
  ['Søren', 'Ærø', 'soren aero'],
  ['Анна', 'Кузнецова', 'anna kuznetsova'],
  ['Дмитро', 'Шевчук', 'dmytro shevchuk'],
  ['莉', '陈', 'li chen'],
  ['健太', '山本', 'kenta yamamoto'],
  ['ሰላም', 'ተስፋዬ', 'selam tesfaye'],
  ['فاطمة', 'الحداد', 'fatima haddad'],
  ['आशा', 'वर्मा', 'asha verma'],
  ['Ngozi', 'Ezekwesili', 'ngozi ezekwesili'],
  ['Siobhán', 'Ní Bhriain', 'siobhan nibhriain'],
  ['Łukasz', 'Dąbrowski', 'lukasz dabrowski'],
  ['Thảo', 'Nguyễn', 'thao nguyen'],
  ['Wanjiru', 'Kamau', 'wanjiru kamau'],
  ["D'Arcy", "O'Neil", 'darcy oneil'],
  ['Zoë', 'van der Meer', 'zoe vandermeer'],
  ['Ελένη', 'Παπαδοπούλου', 'eleni papadopoulou'],
  ['יעל', 'כהן', 'yael cohen'],
  ['สมชาย', 'ใจดี', 'somchai jaidee'],
  ['민준', '김', 'minjun kim'],
  ['Kwame', 'Boateng', 'kwame boateng'],
  ['Rosa', 'Quispe', 'rosa quispe'],
  ['Emre', 'Yılmaz', 'emre yilmaz'],
  ['Ana Lucía', 'Pereira', 'ana pereira'],
  ['Björk', 'Jónsdóttir', 'bjork jonsdottir'],
  ['Tendai', 'Moyo', 'tendai moyo'],
  ['Ravi', 'Subramanian', 'ravi subramanian'],
  ['Claire', 'Lefèvre', 'claire lefevre'],
  ['Samuel', 'Adeyemi', 'samuel adeyemi'],
  ['Ingrid', 'Håkansson', 'ingrid hakansson'],
];

export const domains = [
  'example.org',
  'example.com',
  'example.net',
  'clinic.test',
  'hospital.test',
  'university.test',
  'mail.example.org',
];

export const words =
  'orchid ledger amber falcon meadow copper river lantern harvest granite willow compass marble saffron ' +
  'thistle harbor juniper cobalt ember monsoon pebble quartz raven sierra tundra velvet walnut zephyr';

export const groups: [name: string, description: string, share: number][] = [
  ['atlas-administrators', 'May edit every place on the map', 0.004],
  ['dashboard-users', 'Everybody', 1],
  ['dashboard-administrators', 'Look after the accounts', 0.003],
  ['talk-users', 'May write in the forum', 0.8],
  ['wiki-editors', 'May edit the wiki', 0.25],
  ['jira-developers', 'Work on tickets', 0.12],
  ['bamboo-user', 'See builds', 0.05],
  ['modrepo-users', 'Publish modules', 0.06],
  ['nexus-deployers', 'Publish artefacts', 0.02],
  ['svn-committers', 'Deprecated: commit to the old repository', 0.02],
];
