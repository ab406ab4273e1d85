// An entry of a list of buildpacks as a place to take it from. Pure; called once a build by build-with-buildpacks.ts.
// What the entry may look like at all is checked before (the contract's buildpack-names.ts); here it is decided what it means.
import { AppError } from '@berth/kit/errors.ts';

export type BuildpackReference =
  /** A repository; `ref` is a branch, a tag or a commit, '' is its default branch. */
  | { kind: 'git'; name: string; url: string; ref: string }
  /** A .tgz or .tar.gz over HTTP. */
  | { kind: 'archive'; name: string; url: string }
  /** A folder of the pushed tree, without a slash at either end. */
  | { kind: 'tree'; name: string; folder: string }
  /** A folder of the host, below one that the operator allows. */
  | { kind: 'folder'; name: string; folder: string };

/** Names that the platform knows as its own languages; in a list with a URL they are the buildpacks they are named after. */
const ownNames: Readonly<Record<string, string>> = {
  node: 'nodejs',
  python: 'python',
  ruby: 'ruby',
  go: 'go',
  java: 'java',
  php: 'php',
  static: 'static',
};

/** Heroku keeps its buildpacks here. */
const herokusRepositories = 'https://github.com/heroku/heroku-buildpack-';
/** Everybody else's are published here, as Heroku's own command line says. */
const registry = 'https://buildpack-registry.s3.amazonaws.com/buildpacks';

const archivePattern = /\.(tgz|tar\.gz)$/i;
const refPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/;

/** `folders` are those of the host that the operator allows. */
export function readReference(entry: string, folders: readonly string[]): BuildpackReference {
  if (/^\.\//.test(entry)) return treeReference(entry);
  if (entry.startsWith('/')) return folderReference(entry, folders);
  if (/^(https?|git):\/\//i.test(entry)) return urlReference(entry, entry);
  return urlReference(entry, urlOfName(entry));
}

function urlOfName(name: string): string {
  const own = /^(?:heroku-buildpack-|heroku(?:-community)?\/)([a-z0-9][a-z0-9-]*)$/.exec(name)?.[1];
  const short = own ?? ownNames[name];
  if (short !== undefined) return `${herokusRepositories}${short}`;
  if (/^[a-z0-9][a-z0-9_-]*\/[a-z0-9][a-z0-9_-]*$/.test(name)) return `${registry}/${name}.tgz`;
  throw new AppError('invalid', `"${cut(name)}" is no buildpack`, {
    hint: 'write a git URL with #branch, the URL of a .tgz, a folder of the commit ("./buildpacks/mine") or a name like "heroku/nodejs"',
  });
}

function urlReference(name: string, text: string): BuildpackReference {
  const [address = '', ...rest] = text.split('#');
  const ref = rest.join('#');
  if (!URL.canParse(address)) throw new AppError('invalid', `"${cut(name)}" is not a URL`);
  const url = new URL(address);
  if (url.username !== '' || url.password !== '')
    throw new AppError('invalid', `the URL of a buildpack on "${url.host}" has a login in it`, {
      hint: 'everybody who sees the app would see it; let the operator name a mirror',
    });
  if (archivePattern.test(url.pathname)) return { kind: 'archive', name, url: address };
  if (ref !== '' && (!refPattern.test(ref) || ref.includes('..') || ref.length > 200))
    throw new AppError('invalid', `"${cut(ref)}" is no branch, tag or commit of a buildpack`, {
      hint: 'write it after the URL: https://example.org/buildpack#v12',
    });
  return { kind: 'git', name, url: address, ref };
}

function treeReference(entry: string): BuildpackReference {
  const folder = entry.replace(/^(\.\/+)+/, '').replace(/\/+$/, '');
  const parts = folder.split('/');
  if (folder === '' || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new AppError('invalid', `"${cut(entry)}" is no folder of the commit`, {
      hint: 'write it from the root: ./buildpacks/mine',
    });
  return { kind: 'tree', name: entry, folder };
}

function folderReference(entry: string, folders: readonly string[]): BuildpackReference {
  const [path = '', ref = ''] = entry.replace(/\/+(#|$)/, '$1').split('#');
  const isAllowed =
    !path.split('/').some((part) => part === '.' || part === '..') &&
    folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
  if (!isAllowed)
    throw new AppError('invalid', `"${cut(path)}" is not a folder that buildpacks may come from`, {
      hint: 'the operator allows folders of the host with BERTH_BUILDPACK_FOLDERS; one of the commit is written "./buildpacks/mine"',
    });
  // A bare repository of the operator's: taken as every other repository.
  if (path.endsWith('.git')) return { kind: 'git', name: entry, url: `file://${path}`, ref };
  return { kind: 'folder', name: entry, folder: path };
}

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
