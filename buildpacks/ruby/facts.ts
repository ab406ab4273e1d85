// Everything a plan needs to know about one Ruby app, read once from its tree. Used by driver.ts and runtime-layers.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { type Gems, readGemfile, readGems } from './gemfile.ts';
import { chooseRuby, type RubyChoice } from './ruby-version.ts';

export interface Facts {
  tree: SourceTree;
  ruby: RubyChoice;
  /** Undefined: an app without a Gemfile. */
  gems: Gems | undefined;
  /** Names of the locked gems. */
  names: ReadonlySet<string>;
  isRails: boolean;
  /** A Rakefile and gems: `rake assets:precompile` is run where there is such a task. */
  hasAssets: boolean;
}

export async function readFacts(tree: SourceTree): Promise<Facts> {
  const gemfile = await readGemfile(tree);
  const gems = gemfile === undefined ? undefined : await readGems(tree, gemfile);
  const ruby = await chooseRuby(tree, gemfile);
  const names = new Set(gems?.locked.keys() ?? []);
  const isRails = isRailsApp(tree) && names.has('railties');
  const compiled = [...tree.entries.keys()].some((path) =>
    /^public\/(?:assets|packs|vite)\/(?:\.sprockets-manifest-[^/]*\.json|\.?manifest[^/]*\.json)$/.test(path),
  );
  const pipelines = ['sprockets', 'propshaft', 'vite_rails', 'shakapacker', 'webpacker', 'jsbundling-rails'];
  return {
    tree,
    ruby,
    gems,
    names,
    isRails,
    hasAssets:
      gems !== undefined &&
      tree.has('Rakefile') &&
      !compiled &&
      (isRails || pipelines.some((name) => names.has(name))),
  };
}

export function isRailsApp(tree: SourceTree): boolean {
  return tree.has('bin/rails') || tree.has('config/application.rb') || tree.has('script/rails');
}
