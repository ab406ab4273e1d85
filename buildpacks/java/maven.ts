// Maven: which one, and the step that builds with it. Used by driver.ts.
// The wrapper's script is not run: it would only fetch the Maven that its properties name, which is fetched here, checked and once a machine.
import type { PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { buildStep } from './build-step.ts';
import { centralVersions, newestOf } from './central-versions.ts';
import { explainMaven } from './explain.ts';
import { compareVersions } from './jdk-version.ts';
import { mavenHome } from './runtime-layers.ts';

export interface MavenChoice {
  version: string;
  /** Of the wrapper's zip; '' when it names none. */
  sha256: string;
  askedBy: string | undefined;
  warnings: string[];
}

const defaultMaven = '3.9.16';
const wrapperFile = '.mvn/wrapper/maven-wrapper.properties';

export async function chooseMaven(tree: SourceTree, context: PlanContext): Promise<MavenChoice> {
  const nobodys = { version: defaultMaven, sha256: '', askedBy: undefined, warnings: [] };
  const system = property(await tree.readText('system.properties', 64 * 1024), 'maven.version');
  const wrapper = await tree.readText(wrapperFile, 64 * 1024);
  const url = property(wrapper, 'distributionUrl');
  const named =
    url === undefined ? undefined : /apache-maven-([\w.-]+?)-bin\.(?:zip|tar\.gz)$/.exec(url)?.[1];
  if (system === undefined && named === undefined)
    return url === undefined
      ? nobodys
      : {
          ...nobodys,
          warnings: [`${wrapperFile} names no Apache Maven: Maven ${defaultMaven} builds instead`],
        };
  const wish =
    system === undefined
      ? { raw: named ?? '', from: wrapperFile }
      : { raw: system, from: 'maven.version in system.properties' };
  const sha = property(wrapper, 'distributionSha256Sum')?.toLowerCase() ?? '';
  const checked = system === undefined && url?.endsWith('.zip') && /^[0-9a-f]{64}$/.test(sha);
  // Maven's own candidates ("4.0.0-rc-4") are in no list of versions that people choose from.
  const isCandidate = /^4\.0\.0-[a-z]+-\d+$/.test(wish.raw);
  const version =
    wish.raw === defaultMaven || isCandidate
      ? wish.raw
      : await newestOf(centralVersions('org.apache.maven', 'apache-maven', 'Maven'), wish, context);
  return { version, sha256: checked ? sha : '', askedBy: wish.from, warnings: [] };
}

/** Of a Java properties file; `\:` is how wizards write a colon. */
export function property(text: string | undefined, name: string): string | undefined {
  const line = text?.split(/\r\n|\r|\n/).find((one) => one.trim().replace(/\s*[=:].*/, '') === name);
  return line
    ?.slice(line.search(/[=:]/) + 1)
    .trim()
    .replace(/\\(.)/g, '$1');
}

export function mavenStep(maven: MavenChoice): RunLayer {
  return {
    ...buildStep('Building with Maven'),
    key: ['maven', maven.version],
    on: ['jdk', 'tools', 'maven', 'source'],
    script: buildScript,
    env: {
      ...buildStep('').env,
      // Of a command of berth.toml, too.
      MAVEN_ARGS: '-B -Dmaven.repo.local=/cache/m2',
      // Progress of downloads is noise; 3.6.1 was the first to be quiet about them.
      MAVEN_QUIET: compareVersions(maven.version, '3.6.1') >= 0 ? '-ntp' : '',
    },
    path: [...buildStep('').path, `${mavenHome}/bin`],
    caches: { m2: '/cache/m2' },
    explain: explainMaven,
  };
}

/**
 * Heroku's variables: MAVEN_CUSTOM_GOALS, MAVEN_CUSTOM_OPTS, MAVEN_JAVA_OPTS, MAVEN_SETTINGS_PATH, MAVEN_SETTINGS_URL. The machine's mirror and
 * proxy come as global settings, under those of the app; Maven itself puts the variables in. Archives get one fixed time for their entries.
 */
const buildScript = `
set -f
if [ -n "\${MAVEN_SETTINGS_URL:-}" ]; then
  curl -fsSL --retry 3 --max-time 60 -o /tmp/settings.xml "$MAVEN_SETTINGS_URL"
  set -- -s /tmp/settings.xml
elif [ -n "\${MAVEN_SETTINGS_PATH:-}" ]; then set -- -s "$MAVEN_SETTINGS_PATH"
elif [ -f settings.xml ]; then set -- -s settings.xml
fi
proxy="\${HTTPS_PROXY:-\${https_proxy:-\${HTTP_PROXY:-\${http_proxy:-}}}}"
if [ -n "$proxy\${MAVEN_MIRROR_URL:-}" ]; then
  proxy="\${proxy#*://}"; proxy="\${proxy%%/*}"
  export PROXY_HOST="\${proxy%:*}" PROXY_PORT="\${proxy##*:}"
  export NO_PROXY_HOSTS="$(printf %s "\${NO_PROXY:-\${no_proxy:-}}" | sed 's/,\\./,*./g; s/^\\./*./; s/,/|/g')"
  {
    echo '<settings><mirrors>'
    [ -z "\${MAVEN_MIRROR_URL:-}" ] || echo '<mirror><id>machine</id><mirrorOf>central</mirrorOf><url>\${env.MAVEN_MIRROR_URL}</url></mirror>'
    echo '<mirror><id>no-http</id><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror></mirrors>'
    if [ -n "$proxy" ]; then
      echo '<proxies>'
      for protocol in http https; do
        echo "<proxy><id>$protocol</id><active>true</active><protocol>$protocol</protocol>"
        echo '<host>\${env.PROXY_HOST}</host><port>\${env.PROXY_PORT}</port><nonProxyHosts>\${env.NO_PROXY_HOSTS}</nonProxyHosts></proxy>'
      done
      echo '</proxies>'
    fi
    echo '</settings>'
  } > /tmp/global-settings.xml
  set -- "$@" -gs /tmp/global-settings.xml
fi
export MAVEN_OPTS="-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \${MAVEN_JAVA_OPTS:-} \${MAVEN_OPTS:-}"
exec mvn -B $MAVEN_QUIET "$@" -Dmaven.repo.local=/cache/m2 -Dproject.build.outputTimestamp=1980-01-01T00:00:02Z \\
  \${MAVEN_CUSTOM_OPTS:--DskipTests} \${MAVEN_CUSTOM_GOALS:-package}
`;
