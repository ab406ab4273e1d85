// Where a Python app's web application object is: `app = Flask(…)` in app.py, Django's wsgi.py, a factory. Reads texts of the tree, never runs them.
// Used by facts.ts; start-command.ts turns it into a command.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';

export interface WebApp {
  /** "package.module" */
  module: string;
  attribute: string;
  isFactory: boolean;
  isAsgi: boolean;
}

export interface DjangoSite {
  /** Folder of manage.py; empty: the root. */
  folder: string;
  wsgi: string | undefined;
  asgi: string | undefined;
  collectsStatic: boolean;
}

const maxFileBytes = 512 * 1024;
/** A tree with more candidates is searched no further. */
const maxCandidates = 60;
const names = ['wsgi', 'asgi', 'app', 'main', 'server', 'application', 'run', 'api', 'web', '__init__'];
const asgiMaker = /\b(?:FastAPI|Starlette|Litestar|Quart|BlackSheep|Sanic|get_asgi_application|ASGIApp)\s*\(/;
const wsgiMaker =
  /\b(?:Flask|Bottle|APIFlask|Falcon|falcon\.App|make_wsgi_app|get_wsgi_application|default_app)\s*\(/;

/** The shallowest file that makes an application, the usual names first. */
export async function findWebApp(tree: SourceTree): Promise<WebApp | undefined> {
  const factories: WebApp[] = [];
  for (const path of candidates(tree)) {
    const text = await tree.readText(path, maxFileBytes).catch(() => undefined);
    if (text === undefined) continue;
    const isAsgi = asgiMaker.test(text) && !wsgiMaker.test(text);
    const module = moduleOf(path);
    const assigned = /^(app|application|api|server)\s*(?::[^=\n]+)?=\s*(.*)$/m.exec(text);
    if (assigned && makesApplication(assigned[2] ?? '', text))
      return { module, attribute: assigned[1] ?? 'app', isFactory: false, isAsgi };
    const factory = /^def (create_app|make_app|get_app)\s*\(\s*(?:[^)]*=[^)]*)?\)/m.exec(text)?.[1];
    if (factory) factories.push({ module, attribute: factory, isFactory: true, isAsgi });
  }
  return factories[0];
}

function makesApplication(value: string, text: string): boolean {
  if (asgiMaker.test(value) || wsgiMaker.test(value)) return true;
  if (/^(?:create|make|get|build)_\w*app\w*\(|^\w+\.(?:create|make)_app\(/.test(value)) return true;
  // The maker may stand on the next lines, or be a class of the app's own below a framework's name.
  return /^\w*(?:\(|$)/.test(value) && (asgiMaker.test(text) || wsgiMaker.test(text));
}

function candidates(tree: SourceTree): string[] {
  const rank = (path: string) => {
    const parts = path.split('/');
    const depth = parts[0] === 'src' ? parts.length - 2 : parts.length - 1;
    return depth * 100 + names.indexOf(parts.at(-1)?.slice(0, -3) ?? '');
  };
  return [...tree.entries.keys()]
    .filter((path) => {
      const parts = path.split('/');
      if (parts.length > 3 || !/^[\w/]+\.py$/.test(path) || !names.includes(parts.at(-1)?.slice(0, -3) ?? ''))
        return false;
      return !parts.some((part) =>
        /^(?:tests?|docs?|examples?|scripts|migrations|node_modules|\..*)$/.test(part),
      );
    })
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, maxCandidates);
}

/** `src` is on the app's path. */
function moduleOf(path: string): string {
  const parts = path.replace(/\.py$/, '').split('/');
  const own = parts[0] === 'src' ? parts.slice(1) : parts;
  return (own.at(-1) === '__init__' && own.length > 1 ? own.slice(0, -1) : own).join('.');
}

/** manage.py at the root or one folder down, and what lies beside it. */
export async function findDjango(tree: SourceTree): Promise<DjangoSite | undefined> {
  const paths = [...tree.entries.keys()];
  const managers = paths.filter((path) => /^(?:[^/]+\/)?manage\.py$/.test(path));
  const manage = managers.sort((a, b) => a.split('/').length - b.split('/').length)[0];
  if (manage === undefined) return undefined;
  const folder = manage.includes('/') ? (manage.split('/')[0] ?? '') : '';
  const prefix = folder === '' ? '' : `${folder}/`;
  const text = (await tree.readText(manage, maxFileBytes)) ?? '';
  if (!/django/i.test(text)) return undefined;
  const settings = /DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]/.exec(text)?.[1];
  const site = settings?.split('.')[0];
  const beside = (name: string): string | undefined => {
    const inside = paths.filter(
      (path) =>
        path.startsWith(prefix) &&
        path.endsWith(`/${name}.py`) &&
        path.split('/').length <= prefix.split('/').length + 2,
    );
    const own = inside.find((path) => path.startsWith(`${prefix}${site}/`)) ?? inside[0];
    const module = own?.slice(prefix.length).replace(/\.py$/, '').replaceAll('/', '.');
    return module !== undefined && /^[\w.]+$/.test(module) ? module : undefined;
  };
  return {
    folder,
    wsgi: beside('wsgi'),
    asgi: beside('asgi'),
    collectsStatic: await namesStaticRoot(tree, prefix),
  };
}

/** Settings are modules of any name; STATIC_ROOT is set in one of them. */
async function namesStaticRoot(tree: SourceTree, prefix: string): Promise<boolean> {
  const settings = [...tree.entries.keys()].filter(
    (path) =>
      path.startsWith(prefix) &&
      /(?:^|\/)(?:[\w]*settings[\w]*\.py|settings\/.*\.py|config?\/.*\.py)$/.test(path),
  );
  for (const path of settings.slice(0, maxCandidates)) {
    const text = await tree.readText(path, maxFileBytes).catch(() => undefined);
    if (text !== undefined && /^\s*STATIC_ROOT\b|["']STATIC_ROOT["']/m.test(text)) return true;
  }
  return false;
}
