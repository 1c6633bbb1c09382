/** Who may know whom: the dependency rule, the form of imports, and which packages live where. */
import type { File, Finding, House, Rule } from './tidy.ts';

interface Import {
  specifier: string;
  start: number;
  /** The words between `import` or `export` and `from`. */
  clause: string;
}

/** Every specifier of an import, export … from, or import(). */
export function importsOf(file: File): Import[] {
  return file.literals.flatMap((literal) => {
    const before = file.code.slice(Math.max(0, literal.start - 2000), literal.start).trimEnd();
    if (!/\b(from|import|import\s*\(|require\s*\()$/.test(before)) return [];
    const clause = /\b(?:import|export)\b([^;]*)$/.exec(before)?.[1] ?? '';
    return [{ specifier: literal.text, start: literal.start, clause }];
  });
}

/** From left to right; what stands in one line never imports its siblings. A trailing * makes each folder a part. */
export const order: readonly (readonly string[])[] = [
  ['kit'],
  ['wire/*'],
  ['core/problem.ts', 'core/events'],
  ['core/keys'],
  ['core/community'],
  ['core/people'],
  ['core/groups'],
  ['core/credentials'],
  ['core/applications'],
  ['core/operators'],
  ['core/sessions'],
  ['core/aliases'],
  ['core/profile'],
  ['core/lifecycle'],
  ['sources'],
  ['signon'],
  ['fronts/*', 'provisioning', 'notices', 'migration'],
  ['connectors/*', 'consoles/*', 'api', 'declared', 'simulators/*', 'cli'],
  ['main'],
];

interface Part {
  name: string;
  rank: number;
}

/** Where the command line starts: it belongs to main, though it stands with its commands. */
const entry = 'cli/gatehouse.ts';

/** The part of the house a path below src belongs to; undefined when the plan knows no such place. */
export function partOf(path: string): Part | undefined {
  if (!path.includes('/') || path === entry) return { name: 'main', rank: order.length - 1 };
  for (const [rank, names] of order.entries()) {
    for (const name of names) {
      const stem = name.endsWith('/*') ? name.slice(0, -1) : undefined;
      if (stem && path.startsWith(stem)) return { name: path.split('/').slice(0, 2).join('/'), rank };
      if (path === name || path.startsWith(`${name}/`)) return { name, rank };
    }
  }
  return undefined;
}

/** core/problem.ts stands alone before the log; both share a line of the order without being siblings. */
const friends = new Set(['core/events core/problem.ts']);

/** Parts that may know less than what stands left of them. */
const narrow: readonly { part: RegExp; may: RegExp; says: string }[] = [
  { part: /^simulators\//, may: /^(kit|wire)\//, says: 'Simulators know kit and wire alone.' },
  {
    part: /^connectors\//,
    may: /^(kit|wire)\/|^provisioning\/connector\.ts$/,
    says: 'Connectors know kit, wire and provisioning/connector.ts alone.',
  },
  {
    part: /^core\//,
    may: /^(?!kit\/(http|net|smtp|page)\/)/,
    says: 'The core opens no socket and renders no page.',
  },
];

/** What runs in the browser: it knows its own files and its own packages, and the server does not know it. */
const web = 'consoles/admin/web/';
const webPackages = new Set(['preact', 'preact-iso', 'uplot']);

function checkEdge(from: string, to: string): string | undefined {
  if (from.startsWith(web) !== to.startsWith(web))
    return 'The console in the browser and the server speak over /api/v1 and never import each other.';
  const own = partOf(from);
  const other = partOf(to);
  if (to.startsWith('config/')) {
    return from.startsWith('config/') || own?.name === 'main'
      ? undefined
      : 'Settings are read by main.ts alone; everyone else is handed values.';
  }
  if (from.startsWith('config/')) {
    return to.startsWith('kit/') ? undefined : 'config knows kit alone.';
  }
  if (!own)
    return `${from} has no place in the order of the house. Give its folder one in tools/tidy-imports.ts.`;
  if (!other) return `${to} has no place in the order of the house.`;
  if (own.name === other.name) return undefined;
  const limit = narrow.find(({ part, may }) => part.test(own.name) && !may.test(to));
  if (limit) return `${limit.says} (${to})`;
  if (other.rank < own.rank || friends.has(`${own.name} ${other.name}`)) return undefined;
  return other.rank === own.rank
    ? `${own.name} and ${other.name} are siblings and never import each other.`
    : `${own.name} stands left of ${other.name} and does not know it.`;
}

const dependencyRule: Rule = (house) =>
  inSource(house).flatMap((file) =>
    importsOf(file)
      .filter(({ specifier }) => specifier.startsWith('#'))
      .flatMap(({ specifier, start }) => {
        const text = checkEdge(file.path.slice(4), specifier.slice(1));
        return text ? [finding(file, start, 'dependency', text)] : [];
      }),
  );

const importForm: Rule = (house) =>
  house.files.flatMap((file) =>
    importsOf(file).flatMap(({ specifier, start }) => {
      const text = wrongForm(file, specifier);
      return text ? [finding(file, start, 'import-form', text)] : [];
    }),
  );

function wrongForm(file: File, specifier: string): string | undefined {
  const inHouse = file.path.startsWith('src/');
  // Tests and tools stand outside src and have no other way to each other than by path.
  const climbs =
    specifier.startsWith('../') && inHouse && !(file.isTest && /^(\.\.\/)+(?:test|tools)\//.test(specifier));
  if (climbs) return `"${specifier}" climbs. Write "#…" for someone else's folder.`;
  if (!/^[.#]/.test(specifier)) return undefined;
  const inWeb = file.path.startsWith(`src/${web}`);
  const ending = inWeb ? /\.(tsx?|css)$/ : inHouse ? /\.(ts|json)$/ : /\.(ts|mjs|json)$/;
  if (!ending.test(specifier)) return `"${specifier}" must end with .ts.`;
  if (inHouse && /^\.\/.*\//.test(specifier)) return `"${specifier}" is another folder. Write "#…".`;
  const own = `#${file.folder.slice(4)}/`;
  if (inHouse && specifier.startsWith(own) && !specifier.slice(own.length).includes('/')) {
    return `"${specifier}" is the file's own folder. Write "./…".`;
  }
  return undefined;
}

/** Packages that open connections or stand for a whole layer, and the places they are used in. Types may travel. */
const homes: Readonly<Record<string, readonly string[]>> = {
  undici: ['src/kit/net/'],
  nodemailer: ['src/kit/smtp/'],
  pg: ['src/kit/db/', 'src/kit/queue/', 'src/kit/limits/'],
  pino: ['src/kit/log/'],
  fastify: ['src/kit/http/'],
  'oidc-provider': ['src/fronts/oidc/'],
  'openid-client': ['src/simulators/', 'src/signon/upstream/'],
  'smtp-server': ['src/simulators/', 'src/fronts/relay/'],
  commander: ['src/cli/', 'src/main.ts'],
};

const packageHomes: Rule = (house) => {
  const wanted = JSON.parse(house.read('package.json') ?? '{}') as Record<string, Record<string, string>>;
  const shipped = { ...wanted.dependencies, ...wanted.optionalDependencies };
  const rule = 'package-home';
  return inSource(house).flatMap((file) =>
    importsOf(file).flatMap(({ specifier, start, clause }) => {
      if (/^([.#]|node:)/.test(specifier) || isTypeOnly(clause)) return [];
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      if (file.path.startsWith(`src/${web}`)) {
        const text = `${name} is not for the browser: ${[...webPackages].join(', ')} alone.`;
        return webPackages.has(name) ? [] : [finding(file, start, rule, text)];
      }
      const home = homes[name];
      if (home && !home.some((place) => file.path.startsWith(place))) {
        return [finding(file, start, rule, `${name} is used in ${home.join(' and ')} alone.`)];
      }
      if (Object.hasOwn(shipped, name)) return [];
      return [
        finding(file, start, rule, `${name} is not among the dependencies that are installed with us.`),
      ];
    }),
  );
};

/** Dependencies that nothing imports by name: the runtime itself. */
const runsUs = new Set(['node']);

const packagesUsed: Rule = (house) => {
  const manifest = JSON.parse(house.read('package.json') ?? '{}') as {
    dependencies?: Record<string, string>;
  };
  const used = house.files.flatMap((file) => importsOf(file).map(({ specifier }) => specifier));
  return Object.keys(manifest.dependencies ?? {})
    .filter((name) => !runsUs.has(name) && !used.some((one) => one === name || one.startsWith(`${name}/`)))
    .map((name) => ({
      file: 'package.json',
      line: 1,
      rule: 'package-used',
      text: `Nothing uses ${name}. Take it away.`,
    }));
};

const isTypeOnly = (clause: string) => /^\s*type\b/.test(clause);

/** Ways out of the process that pass by the guard. */
const network: readonly RegExp[] = [
  /(?<![.\w$])fetch\s*\((?![^)]*\)\s*(?::[^;{]*)?\{)/g,
  /\b(?:net|tls)\.(?:connect|createConnection)\s*\(/g,
  /\bhttps?\.(?:request|get)\s*\(/g,
  /\bnew\s+(?:WebSocket|EventSource|XMLHttpRequest|Socket)\b/g,
];
const networkNames = /\b(connect|createConnection|request|get|Socket)\b/;

const guardedNetwork: Rule = (house) =>
  inSource(house)
    .filter(({ path }) => !/^src\/(kit\/net|simulators)\//.test(path) && path !== `src/${web}client.ts`)
    .flatMap((file) => {
      const says = 'Only kit/net connects to others; take its guarded fetch or connect.';
      const calls = network.flatMap((shape) => [...file.code.matchAll(shape)].map((match) => match.index));
      const named = importsOf(file)
        .filter(({ specifier }) => /^node:(net|tls|http|https|http2|dgram)$/.test(specifier))
        .filter(({ clause }) => !isTypeOnly(clause) && networkNames.test(clause.replace(/\btype\s+\w+/g, '')))
        .map(({ start }) => start);
      return [...calls, ...named].map((start) => finding(file, start, 'network', says));
    });

function inSource(house: House): File[] {
  return house.files.filter((file) => file.path.startsWith('src/') && !file.isTest);
}

export function finding(file: File, position: number, rule: string, text: string): Finding {
  return { file: file.path, line: file.lineAt(position), rule, text };
}

export const importRules: readonly Rule[] = [
  dependencyRule,
  importForm,
  packageHomes,
  packagesUsed,
  guardedNetwork,
];
