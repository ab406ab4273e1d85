// Everything a plan needs to know about one Python app, read once from its tree. Used by driver.ts and runtime-layers.ts.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { type DjangoSite, findDjango, findWebApp } from './find-app.ts';
import { chooseInstaller, type Installer } from './installer.ts';
import { type ProjectFiles, readProjectFiles } from './project-files.ts';
import { choosePython, type PythonChoice } from './python-version.ts';
import { type StartCommand, startCommand } from './start-command.ts';

export interface Facts {
  tree: SourceTree;
  project: ProjectFiles;
  python: PythonChoice;
  installer: Installer;
  django: DjangoSite | undefined;
  start: StartCommand | undefined;
  /** A Procfile or berth.toml says how to start. */
  isDeclared: boolean;
  /** Something is installed. */
  needsUv: boolean;
  /** The app declares commands or entry points: it is installed itself, above its packages. */
  installsItself: boolean;
}

export async function readFacts(tree: SourceTree, context: PlanContext): Promise<Facts> {
  const project = await readProjectFiles(tree);
  const installer = await chooseInstaller(tree, project);
  const python = await choosePython(tree, project, context);
  const django = await findDjango(tree);
  const isDeclared = saysHowToStart(tree, context);
  const webApp = django || isDeclared ? undefined : await findWebApp(tree);
  const start = isDeclared ? undefined : startCommand(tree, installer.names, { django, webApp });
  const { pyproject } = project;
  const isOwnProject = installer.kind === 'uv' || installer.kind === 'poetry' || installer.kind === 'project';
  return {
    tree,
    project,
    python,
    installer,
    django,
    start,
    isDeclared,
    needsUv: installer.kind !== 'none' || start?.brings !== undefined,
    installsItself:
      isOwnProject &&
      !installer.fromTree &&
      (pyproject?.hasBuildSystem ?? false) &&
      (pyproject?.hasScripts ?? false),
  };
}

/** Only without a web process of the app's own is one looked for, and a server brought along. */
function saysHowToStart(tree: SourceTree, { manifest }: PlanContext): boolean {
  if (!manifest) return tree.has('Procfile');
  return manifest.processTypes['web'] !== undefined || !manifest.keepsDefaults;
}
