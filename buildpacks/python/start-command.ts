// The default web process of a Python app without a Procfile. Pure; used by driver.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import type { DjangoSite, WebApp } from './find-app.ts';

export interface StartCommand {
  web: string;
  /** A server that the command needs and the app does not name: "gunicorn==…". */
  brings: string | undefined;
}

/** What an app without a server of its own is served by. */
export const broughtServers = { gunicorn: 'gunicorn==27.0.1', uvicorn: 'uvicorn==0.54.0' };

const listen = '--host 0.0.0.0 --port $PORT';

export function startCommand(
  tree: SourceTree,
  names: ReadonlySet<string>,
  found: { django: DjangoSite | undefined; webApp: WebApp | undefined },
): StartCommand | undefined {
  const tool = toolCommand(tree, names);
  if (tool) return { web: tool, brings: undefined };
  const { django, webApp } = found;
  if (django) {
    const served = djangoCommand(django, names);
    if (served) return served;
  }
  if (webApp) return serve(webApp, '', names);
  const script = ['server.py', 'app.py', 'main.py', 'run.py', 'bot.py'].find((path) => tree.has(path));
  return script ? { web: `python ${script}`, brings: undefined } : undefined;
}

function djangoCommand(
  { folder, wsgi, asgi }: DjangoSite,
  names: ReadonlySet<string>,
): StartCommand | undefined {
  const onlyAsgi = !names.has('gunicorn') && !names.has('waitress') && asgiServer(names) !== undefined;
  const module = onlyAsgi ? (asgi ?? wsgi) : (wsgi ?? asgi);
  if (module === undefined) return undefined;
  const isAsgi = module === asgi;
  return serve({ module, attribute: 'application', isFactory: false, isAsgi }, folder, names);
}

/** `folder`: where the module is looked for; empty: the root. */
function serve(app: WebApp, folder: string, names: ReadonlySet<string>): StartCommand {
  return app.isAsgi ? serveAsgi(app, folder, names) : serveWsgi(app, folder, names);
}

function serveWsgi(
  { module, attribute, isFactory }: WebApp,
  folder: string,
  names: ReadonlySet<string>,
): StartCommand {
  if (names.has('waitress') && !names.has('gunicorn')) {
    const factory = isFactory ? ' --call' : '';
    const at = folder === '' ? '' : `cd ${quote(folder)} && exec `;
    return {
      web: `${at}waitress-serve --listen=0.0.0.0:$PORT${factory} ${module}:${attribute}`,
      brings: undefined,
    };
  }
  const at = folder === '' ? '' : `--chdir ${quote(folder)} `;
  const target = isFactory ? `'${module}:${attribute}()'` : `${module}:${attribute}`;
  return {
    web: `gunicorn --bind 0.0.0.0:$PORT ${at}${target}`,
    brings: names.has('gunicorn') ? undefined : broughtServers.gunicorn,
  };
}

function serveAsgi(
  { module, attribute, isFactory }: WebApp,
  folder: string,
  names: ReadonlySet<string>,
): StartCommand {
  const target = `${module}:${attribute}`;
  const server = asgiServer(names);
  const at = folder === '' ? '' : `cd ${quote(folder)} && exec `;
  if (server === 'hypercorn') {
    const called = isFactory ? `'${target}()'` : target;
    return { web: `${at}hypercorn --bind 0.0.0.0:$PORT ${called}`, brings: undefined };
  }
  if (server === 'daphne' && !isFactory)
    return { web: `${at}daphne --bind 0.0.0.0 --port $PORT ${target}`, brings: undefined };
  if (server === 'granian')
    return {
      web: `${at}granian --interface asgi ${listen}${isFactory ? ' --factory' : ''} ${target}`,
      brings: undefined,
    };
  const inFolder = folder === '' ? '' : ` --app-dir ${quote(folder)}`;
  return {
    web: `uvicorn ${listen}${inFolder}${isFactory ? ' --factory' : ''} ${target}`,
    brings: server === 'uvicorn' ? undefined : broughtServers.uvicorn,
  };
}

function asgiServer(names: ReadonlySet<string>): string | undefined {
  if (['fastapi[standard]', 'fastapi[all]', 'starlette[full]'].some((name) => names.has(name)))
    return 'uvicorn';
  return ['uvicorn', 'hypercorn', 'granian', 'daphne'].find((name) => names.has(name));
}

/** Apps that are started by a tool of theirs. */
function toolCommand(tree: SourceTree, names: ReadonlySet<string>): string | undefined {
  if (names.has('streamlit')) {
    const file = ['streamlit_app.py', 'app.py', 'main.py', 'Home.py'].find((path) => tree.has(path));
    return (
      file && `streamlit run ${file} --server.address 0.0.0.0 --server.port $PORT --server.headless true`
    );
  }
  if (names.has('gradio')) {
    const file = ['app.py', 'main.py', 'demo.py'].find((path) => tree.has(path));
    return file && `GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python ${file}`;
  }
  return undefined;
}

/** A folder's name is the tree's: what a shell would treat stands in quotes. */
function quote(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
