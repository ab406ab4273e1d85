// The layers below a Ruby app: Debian's Ruby and bundler, libraries that gems load, headers for native gems. Used by driver.ts.
// The same for every app that asks for the same, so no config var may reach them.
import { unpackScript } from '@berth/builder/plan/other-suite.ts';
import { packagesLayer } from '@berth/builder/plan/packages-layer.ts';
import type { RunLayer } from '@berth/builder/plan/plan.ts';
import type { Facts } from './facts.ts';
import type { RubyChoice } from './ruby-version.ts';

/** What Ruby's own library loads, as the stack's suite calls it; for a Ruby of another suite. */
const rubyLibraries = [
  'libcrypt1',
  'libedit2',
  'libffi8',
  'libgmp10',
  'libncurses6',
  'libssl3t64',
  'libtinfo6',
  'libyaml-0-2',
  'zlib1g',
];

/** A Ruby of another suite: its own packages, which lie beside nothing of the stack's. LINE is put before the names of the first. */
const unpackedRuby = (line: string) => [
  `ruby${line}`,
  `libruby${line}`,
  'ruby',
  'ruby-rubygems',
  'ruby-bundler',
  'bundler',
  'rubygems-integration',
  'rake',
  'ruby-webrick',
  'ruby-net-telnet',
  'ruby-xmlrpc',
];

/** Libraries that gems load at run time and do not carry. */
const librariesOf: Readonly<Record<string, readonly string[]>> = {
  pg: ['libpq5'],
  mysql2: ['libmariadb3'],
  sqlite3: ['libsqlite3-0'],
  nokogiri: ['libxml2', 'libxslt1.1'],
  'ruby-vips': ['libvips42t64'],
  rmagick: ['libmagickwand-7.q16-10'],
  mini_magick: ['imagemagick'],
  charlock_holmes: ['libicu76'],
  curb: ['libcurl4t64'],
  rugged: ['libssh2-1t64'],
  rdkafka: ['libsasl2-2'],
};

/** Patch versions of a line replace each other, but bundler compares them: what the Gemfile says exactly is taken as its line. */
const patchVersionRule = `
# Another patch version of the line that the Gemfile names will do: no two of them can be had.
module Bundler
  class RubyVersion
    prepend(Module.new do
      def diff(other)
        found = super
        return found unless found && %i[version patchlevel].include?(found.first)
        lines = versions.map { |version| version[/\\A(\\d+\\.\\d+)(?:\\.\\d+)?\\z/, 1] }
        lines.all?(other.versions.first[/\\A\\d+\\.\\d+/]) ? nil : found
      end
    end)
  end
end
`;

const finishScript = `
# Ruby's own bundler and Debian's: which of them runs depends on who has written Gemfile.lock.
find /usr/lib/ruby /usr/share/rubygems-integration -path '*/bundler/ruby_version.rb' | while read -r file; do
  printf '%s' "$PATCH_VERSION_RULE" >> "$file"
done
ruby --version
`;

const otherSuiteScript = `${unpackScript}
cp -a "$ROOT/unpacked/usr/." /usr/
rm -rf "$ROOT" /usr/share/doc /usr/share/man
${finishScript}`;

export function runtimeLayers({ ruby, names }: Facts): RunLayer[] {
  const libraries = [...new Set([...names].flatMap((name) => librariesOf[name] ?? []))].sort();
  const runtime = rubyLayer(ruby);
  if (libraries.length === 0) return [runtime];
  const title = `libraries for gems (${libraries.join(', ')})`;
  return [runtime, packagesLayer({ id: 'runtime-libraries', title, packages: libraries, on: ['runtime'] })];
}

function rubyLayer({ version, line, suite }: RubyChoice): RunLayer {
  const title = `Ruby ${line}`;
  if (suite === '') {
    const layer = packagesLayer({ id: 'runtime', title, packages: ['ruby', 'bundler', 'ruby-webrick'] });
    return {
      ...layer,
      script: layer.script + finishScript,
      env: { ...layer.env, PATCH_VERSION_RULE: patchVersionRule },
    };
  }
  const layer = packagesLayer({
    id: 'runtime',
    title: `${title} (Debian ${suite})`,
    packages: rubyLibraries,
  });
  return {
    ...layer,
    key: [...layer.key, version, suite],
    script: layer.script + otherSuiteScript,
    env: {
      ...layer.env,
      SUITE: suite,
      UNPACKED: unpackedRuby(line).join(' '),
      PREFIX: '/tmp/unpacked',
      PATCH_VERSION_RULE: patchVersionRule,
    },
  };
}

/** Headers for native gems; only over the build variant, never in an image. */
export function headersLayer({ version, line, suite }: RubyChoice): RunLayer {
  if (suite === '')
    return packagesLayer({
      id: 'headers',
      title: `headers of Ruby ${line}`,
      packages: ['ruby-dev'],
      stack: 'build',
    });
  return {
    ...packagesLayer({ id: 'headers', title: `headers of Ruby ${line}`, packages: [], stack: 'build' }),
    key: [version, suite],
    stack: 'tools',
    script: `${unpackScript}
cp -a "$ROOT/unpacked/usr/." /usr/
rm -rf "$ROOT" /usr/share/doc /usr/share/man
`,
    env: { SUITE: suite, UNPACKED: `ruby${line}-dev`, PREFIX: '/tmp/unpacked' },
  };
}
