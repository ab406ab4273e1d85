// Languages that no driver of ours builds, by the file that marks them: so that the pusher reads what to do and not what was looked for.
// Used by drivers.ts when nothing was found. A buildpack is named only where its makers publish one.
import { AppError } from '@berth/kit/errors.ts';
import type { SourceTree } from '../source/source-tree.ts';

interface OtherLanguage {
  name: string;
  /** A path at the root, or its ending when it begins with a star. */
  marks: readonly string[];
  buildpack?: string;
}

const languages: readonly OtherLanguage[] = [
  {
    name: 'Elixir',
    marks: ['mix.exs'],
    buildpack: 'https://github.com/HashNuke/heroku-buildpack-elixir.git',
  },
  {
    name: '.NET',
    marks: ['*.sln', '*.slnx', '*.csproj', '*.fsproj', '*.vbproj'],
    buildpack: 'https://github.com/heroku/heroku-buildpack-dotnet.git',
  },
  {
    name: 'Clojure',
    marks: ['project.clj', 'deps.edn'],
    buildpack: 'https://github.com/heroku/heroku-buildpack-clojure.git',
  },
  { name: 'Scala', marks: ['build.sbt'], buildpack: 'https://github.com/heroku/heroku-buildpack-scala.git' },
  {
    name: 'Swift',
    marks: ['Package.swift'],
    buildpack: 'https://github.com/vapor-community/heroku-buildpack.git',
  },
  {
    name: 'Crystal',
    marks: ['shard.yml'],
    buildpack: 'https://github.com/crystal-lang/heroku-buildpack-crystal.git',
  },
  { name: 'Deno', marks: ['deno.json', 'deno.jsonc', 'deno.lock'] },
  { name: 'Gleam', marks: ['gleam.toml'] },
  { name: 'Erlang', marks: ['rebar.config'] },
  { name: 'Haskell', marks: ['stack.yaml', 'cabal.project', '*.cabal'] },
  { name: 'Dart', marks: ['pubspec.yaml'] },
  { name: 'Zig', marks: ['build.zig'] },
  { name: 'Nim', marks: ['*.nimble'] },
  { name: 'OCaml', marks: ['dune-project'] },
  { name: 'Perl', marks: ['cpanfile'] },
  { name: 'COBOL', marks: ['*.cbl', '*.cob'] },
  { name: 'C or C++', marks: ['CMakeLists.txt', 'meson.build'] },
];

/** `invalid` when the tree is of a language that we only build with somebody else's help. */
export function refuseOtherLanguage(tree: SourceTree): void {
  const atRoot = [...tree.entries.keys()].filter((path) => !path.includes('/'));
  for (const { name, marks, buildpack } of languages) {
    const found = atRoot.find((path) => marks.some((mark) => matches(path, mark)));
    if (found === undefined) continue;
    const set =
      buildpack === undefined
        ? 'set a buildpack that knows it (berth buildpacks:set URL)'
        : `"berth buildpacks:set ${buildpack}"`;
    throw new AppError('invalid', `${name} ("${found}") is not built without help`, {
      hint: `commit a Dockerfile, or ${set}, and push again`,
    });
  }
}

function matches(path: string, mark: string): boolean {
  return mark.startsWith('*') ? path.endsWith(mark.slice(1)) : path === mark;
}
