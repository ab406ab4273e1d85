// Gradle: the one that the app's wrapper names, and the step that builds with it. Used by driver.ts.
// As with Maven, the wrapper's jar is not run: the distribution is fetched here, from Gradle's server or the machine's mirror of it, and checked.
import type { PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { buildStep } from './build-step.ts';
import { explainGradle } from './explain.ts';
import { compareVersions } from './jdk-version.ts';
import { property } from './maven.ts';
import type { MavenProject } from './pom.ts';
import { jdkHome } from './runtime-layers.ts';

export interface GradleProject {
  version: string;
  sha256: string;
  /** Makes a WAR that needs a server. */
  isWar: boolean;
  hasStage: boolean;
  level: MavenProject['level'];
}

const wrapperFile = 'gradle/wrapper/gradle-wrapper.properties';
const gradleHome = '/opt/berth/gradle';
export const buildFiles = ['build.gradle', 'build.gradle.kts', 'settings.gradle', 'settings.gradle.kts'];

export async function readGradleProject(tree: SourceTree): Promise<GradleProject> {
  const wrapper = await tree.readText(wrapperFile, 64 * 1024);
  const url = property(wrapper, 'distributionUrl') ?? '';
  const version = /\/gradle-(\d+(?:\.\d+)*(?:-(?:rc|milestone)-\d+)?)-(?:bin|all)\.zip$/.exec(url)?.[1];
  if (version === undefined)
    throw new AppError(
      'invalid',
      wrapper === undefined ? 'the app has no Gradle wrapper' : `${wrapperFile} names no Gradle distribution`,
      { hint: 'run "gradle wrapper", commit gradlew and gradle/wrapper, and push again' },
    );
  const sha256 = property(wrapper, 'distributionSha256Sum')?.toLowerCase() ?? '';
  const texts = await Promise.all(buildFiles.map((file) => tree.readText(file, 1024 * 1024)));
  const text = texts.filter((one) => one !== undefined).join('\n');
  return {
    version,
    sha256: url.endsWith('-bin.zip') && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : '',
    isWar:
      /(?:id\s*\(?\s*|plugin:\s*)["']war["']|^\s*war\s*$/m.test(text) &&
      !/org\.springframework\.boot/.test(text),
    hasStage: /\btask\s+stage\b|tasks\.(?:register|create)\(\s*["']stage["']|\bstage\s*\{/.test(text),
    level: levelOf(text, version),
  };
}

/** What the build file says, else the newest Java that this Gradle runs on. */
function levelOf(text: string, version: string): MavenProject['level'] {
  const raw =
    /(?:source|target)Compatibility\s*=?\s*(?:JavaVersion\.)?["']?(?:VERSION_)?([\d._]+)/.exec(text)?.[1] ??
    /JavaVersion\.VERSION_([\d_]+)/.exec(text)?.[1];
  if (raw !== undefined) return { raw: raw.replaceAll('_', '.'), from: 'the build file' };
  if (compareVersions(version, '8.5') < 0) return { raw: '17', from: `Gradle ${version}` };
  return undefined;
}

/** Gradle below 8.5 does not run on Java 21, below 9.1 not on 25: said before it fails with a number of a class file. */
export function checkGradleRuns(
  gradle: GradleProject,
  jdk: { major: number; askedBy: string | undefined },
): void {
  const needed = jdk.major >= 25 ? '9.1' : jdk.major >= 21 ? '8.5' : '7.3';
  if (compareVersions(gradle.version, needed) >= 0) return;
  const from = jdk.askedBy === undefined ? '' : ` (${jdk.askedBy})`;
  throw new AppError('invalid', `Gradle ${gradle.version} does not run on Java ${jdk.major}${from}`, {
    hint: `raise the wrapper to Gradle ${needed} or later: "gradle wrapper --gradle-version ${needed}"`,
  });
}

export function gradleLayers(gradle: GradleProject): PlannedLayer[] {
  const tools = buildStep('');
  return [
    {
      ...tools,
      id: 'gradle',
      title: `Installing Gradle ${gradle.version}`,
      step: 'runtime',
      on: ['jdk'],
      key: [gradle.version, gradle.sha256],
      scope: 'platform',
      user: 'root',
      script: installScript,
      env: { ...tools.env, GRADLE_VERSION: gradle.version, GRADLE_SHA256: gradle.sha256 },
      vars: 'none',
      caches: { gradle: '/cache/gradle' },
      keep: gradleHome,
      leaveOut: [],
      quiet: true,
      explain: () => ({
        message: `Gradle ${gradle.version} cannot be fetched`,
        hint: "the host must reach Gradle's server, or the operator sets GRADLE_DISTRIBUTIONS_URL to a mirror of its folder distributions",
      }),
    },
  ];
}

export function gradleStep(gradle: GradleProject): RunLayer {
  const tools = buildStep('Building with Gradle');
  return {
    ...tools,
    key: ['gradle', gradle.version],
    on: ['jdk', 'tools', 'gradle', 'source'],
    script: buildScript,
    env: { ...tools.env, GRADLE_DEFAULT_TASK: gradle.hasStage ? 'stage' : 'build -x check' },
    path: [`${jdkHome}/bin`, `${gradleHome}/bin`],
    caches: { gradle: '/cache/gradle' },
    explain: explainGradle,
  };
}

const installScript = `
file="gradle-$GRADLE_VERSION-bin.zip"
if [ ! -e "/cache/gradle/$file" ]; then
  url="\${GRADLE_DISTRIBUTIONS_URL:-https://services.gradle.org/distributions}/$file"
  curl -fsSL --retry 2 --connect-timeout 20 --max-time 300 -o "/cache/gradle/.$file.$$" "$url"
  curl -fsSL --retry 2 --connect-timeout 20 --max-time 60 -o /tmp/sum "$url.sha256"
  echo "$(cut -d ' ' -f 1 /tmp/sum)  /cache/gradle/.$file.$$" | sha256sum --check --status || { rm -f "/cache/gradle/.$file.$$"; exit 1; }
  mv "/cache/gradle/.$file.$$" "/cache/gradle/$file"
fi
[ -z "$GRADLE_SHA256" ] || echo "$GRADLE_SHA256  /cache/gradle/$file" | sha256sum --check --status
cd /tmp
jar xf "/cache/gradle/$file"
mv "gradle-$GRADLE_VERSION" ${gradleHome}
chmod 755 ${gradleHome}/bin/gradle
`;

/** Heroku's variable: GRADLE_TASK. A daemon would outlive its use. */
const buildScript = `
set -f
export GRADLE_USER_HOME=/cache/gradle
proxy="\${HTTPS_PROXY:-\${https_proxy:-}}"
if [ -n "$proxy" ]; then
  proxy="\${proxy#*://}"; proxy="\${proxy%%/*}"
  export JAVA_OPTS="-Dhttps.proxyHost=\${proxy%:*} -Dhttps.proxyPort=\${proxy##*:}"
fi
exec gradle --no-daemon --console=plain \${GRADLE_TASK:-$GRADLE_DEFAULT_TASK}
`;
