// The default process types of a Ruby app. Pure; used by driver.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';

export interface StartFacts {
  tree: SourceTree;
  gems: ReadonlySet<string>;
  hasGemfile: boolean;
  isRails: boolean;
}

const scripts = ['app.rb', 'server.rb', 'web.rb', 'main.rb'];

export function processTypes(facts: StartFacts): Record<string, string> {
  const { tree, gems, isRails } = facts;
  const web = webCommand(facts);
  const worker = workerCommand(tree, gems);
  const hasRakefile = ['Rakefile', 'rakefile', 'Rakefile.rb'].some((path) => tree.has(path));
  return {
    ...(web === undefined ? {} : { web }),
    ...(worker === undefined ? {} : { worker }),
    ...(hasRakefile ? { rake: gems.has('rake') ? 'bundle exec rake' : 'rake' } : {}),
    ...(isRails ? { console: `${rails(tree)} console` } : {}),
  };
}

function rails(tree: SourceTree): string {
  return tree.has('bin/rails') ? 'ruby bin/rails' : 'bundle exec rails';
}

function webCommand({ tree, gems, hasGemfile, isRails }: StartFacts): string | undefined {
  if (isRails) return `${rails(tree)} server -b 0.0.0.0 -p $PORT`;
  if (tree.has('config.ru')) return rackCommand(tree, gems);
  const script = scripts.find((path) => tree.has(path));
  if (script === undefined) return undefined;
  // Sinatra's own server listens on the loopback unless it is told otherwise.
  const options = gems.has('sinatra') ? ' -o 0.0.0.0 -p $PORT' : '';
  return `${hasGemfile ? 'bundle exec ' : ''}ruby ${script}${options}`;
}

function rackCommand(tree: SourceTree, gems: ReadonlySet<string>): string {
  if (gems.has('puma')) return 'bundle exec puma -b tcp://0.0.0.0:$PORT';
  if (gems.has('falcon')) return 'bundle exec falcon serve --bind http://0.0.0.0:$PORT';
  if (gems.has('unicorn')) {
    const settings = tree.has('config/unicorn.rb') ? ' -c config/unicorn.rb' : '';
    return `bundle exec unicorn -p $PORT${settings}`;
  }
  if (gems.has('thin')) return 'bundle exec thin start -a 0.0.0.0 -p $PORT -R config.ru';
  return 'bundle exec rackup -o 0.0.0.0 -p $PORT config.ru';
}

function workerCommand(tree: SourceTree, gems: ReadonlySet<string>): string | undefined {
  if (gems.has('sidekiq')) return 'bundle exec sidekiq';
  if (gems.has('solid_queue') && tree.has('bin/jobs')) return 'ruby bin/jobs';
  if (gems.has('good_job')) return 'bundle exec good_job start';
  if (gems.has('delayed_job')) return 'bundle exec rake jobs:work';
  return undefined;
}
