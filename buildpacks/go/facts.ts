// Everything a plan needs to know about one Go app, read once from its tree. Used by driver.ts.
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { commandName, type ModuleFile, readModuleFile } from './go-mod.ts';
import { chooseGo, type GoChoice } from './go-version.ts';
import { defaultCommands, expandSpecs, readGoSources } from './main-packages.ts';

export interface Command {
  name: string;
  /** What `go build` is given: `.`, `./cmd/web`, or an import path. */
  package: string;
}

export interface Facts {
  tree: SourceTree;
  go: GoChoice;
  /** The name of the app in its own words, for choosing `web`. */
  appName: string;
  commands: Command[];
  isWorkspace: boolean;
  isVendored: boolean;
  hasSums: boolean;
  /** go.mod, go.sum, go.work and go.work.sum of the whole tree: what decides which modules are needed. */
  moduleFiles: string[];
  /** Modules other than the app's own and vendored ones. */
  needsModules: boolean;
  usesC: boolean;
  /** Modules come from git servers: they need git. */
  needsGit: boolean;
  vars: PlanContext['vars'];
}

/** Packages that do nothing, or do not compile, without a C compiler. */
const cModules =
  /^(github\.com\/(mattn\/go-sqlite3|confluentinc\/confluent-kafka-go|linxGnu\/grocksdb|tecbot\/gorocksdb|libgit2\/git2go|h2non\/bimg|davidbyttow\/govips|chai2010\/webp|marcboeker\/go-duckdb|duckdb\/duckdb-go|DataDog\/zstd|valyala\/gozstd|bytecodealliance\/wasmtime-go|pebbe\/zmq4|godror\/godror|mutecomm\/go-sqlcipher|tursodatabase\/go-libsql)|gopkg\.in\/(gographics\/imagick|confluentinc\/confluent-kafka-go)\b)/;

const usualModuleFile = /(^|\/)(go\.mod|go\.sum|go\.work|go\.work\.sum)$/;

export async function readFacts(tree: SourceTree, context: PlanContext): Promise<Facts> {
  const { files, modules, isWorkspace } = await readModules(tree);
  const sources = await readGoSources(tree, modules);
  const requires = files.flatMap(({ file }) => file.requires);
  const setting = context.vars['CGO_ENABLED'];
  const isVendored = tree.has('vendor/modules.txt');
  const own = new Set(files.map(({ file }) => file.module));
  const root = files.find(({ path }) => path === 'go.mod')?.file.module;
  return {
    tree,
    go: await chooseGo(tree, files, context),
    appName: commandName(root ?? files.find(({ file }) => file.module)?.file.module ?? ''),
    commands: chooseCommands(sources.mains, modules, files, context),
    isWorkspace,
    isVendored,
    hasSums: [...tree.entries.keys()].some((path) => /(^|\/)go\.sum$/.test(path)),
    moduleFiles: [...tree.entries.keys()].filter(
      (path) => usualModuleFile.test(path) && !/(^|\/)(vendor|testdata)\//.test(path),
    ),
    needsModules: !isVendored && requires.some((module) => !own.has(module)),
    usesC:
      setting === undefined
        ? sources.usesC || requires.some((module) => cModules.test(module))
        : setting === '1',
    needsGit:
      context.vars['GOPRIVATE'] !== undefined ||
      context.vars['GONOPROXY'] !== undefined ||
      /^direct/.test(context.vars['GOPROXY'] ?? ''),
    vars: context.vars,
  };
}

async function readModules(
  tree: SourceTree,
): Promise<{ files: { path: string; file: ModuleFile }[]; modules: string[]; isWorkspace: boolean }> {
  const read = async (path: string) => {
    const text = await tree.readText(path, 4 * 1024 * 1024);
    return text === undefined ? undefined : { path, file: readModuleFile(text) };
  };
  const work = await read('go.work');
  if (work === undefined) {
    const root = await read('go.mod');
    if (root === undefined)
      throw new AppError('invalid', 'there is no go.mod', {
        hint: 'run "go mod init example.com/app && go mod tidy", commit go.mod and go.sum and push again',
      });
    if (root.file.module === undefined)
      throw new AppError('invalid', 'go.mod names no module', {
        hint: 'begin it with "module example.com/app"',
      });
    return { files: [root], modules: [''], isWorkspace: false };
  }
  const members = work.file.uses.map((folder) => (folder === '' ? 'go.mod' : `${folder}/go.mod`));
  const files = await Promise.all(
    members.map(async (path) => {
      const file = await read(path);
      if (file === undefined)
        throw new AppError('invalid', `go.work uses "${path}", which is not in the commit`, {
          hint: 'commit the module or remove its "use" line',
        });
      return file;
    }),
  );
  return { files: [work, ...files], modules: work.file.uses, isWorkspace: true };
}

function chooseCommands(
  mains: readonly string[],
  modules: readonly string[],
  files: readonly { path: string; file: ModuleFile }[],
  { vars }: PlanContext,
): Command[] {
  const wishes: [string, readonly string[]][] = [
    ['the config var GO_INSTALL_PACKAGE_SPEC', words(vars['GO_INSTALL_PACKAGE_SPEC'])],
    ['the config var BP_GO_TARGETS', (vars['BP_GO_TARGETS'] ?? '').split(/[\s:]+/).filter(Boolean)],
    ['"+heroku install" in go.mod', files.flatMap(({ file }) => file.herokuInstall)],
  ];
  const wish = wishes.find(([, specs]) => specs.length > 0);
  const packages = wish
    ? expandSpecs(wish[1], mains, wish[0])
    : defaultCommands(mains, modules).map((folder) => (folder === '' ? '.' : `./${folder}`));
  if (packages.length === 0)
    throw new AppError('invalid', 'the app has no main package', {
      hint: 'a command needs a file that says "package main", at the root or in a folder of cmd/',
    });
  const odd = packages.find((name) => !/^[\w./~@+-]+$/.test(name));
  if (odd !== undefined)
    throw new AppError('invalid', `the folder "${odd}" cannot be built`, {
      hint: 'name it with letters, digits, "-", "_" and "."',
    });
  const pathOf = new Map(files.map(({ path, file }) => [path.replace(/\/?go\.mod$/, ''), file.module]));
  return distinct(packages.map((name) => ({ name: nameOf(name, pathOf), package: name })));
}

/** The name that `go build -o bin/` gives it. */
function nameOf(packageName: string, modules: ReadonlyMap<string, string | undefined>): string {
  const folder = packageName.replace(/^\.\/?/, '').replace(/@.*$/, '');
  const isLocal = packageName.startsWith('.');
  return commandName((isLocal ? modules.get(folder) : undefined) ?? folder);
}

function distinct(commands: Command[]): Command[] {
  const byName = new Map<string, Command>();
  for (const command of commands) {
    const other = byName.get(command.name);
    if (other)
      throw new AppError(
        'invalid',
        `"${other.package}" and "${command.package}" are both named "${command.name}"`,
        {
          hint: 'set the config var GO_INSTALL_PACKAGE_SPEC to the packages to build',
        },
      );
    byName.set(command.name, command);
  }
  return commands;
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}
