// The layers that everybody's Java apps share: the JDK that builds, the runtime made from it, our tools, Maven, Tomcat. Used by driver.ts.
// What they hold is checked: Debian's packages by apt, archives of Maven Central by their digest.
import { readFileSync } from 'node:fs';
import type { FilesLayer, PlannedLayer, RunLayer } from '@berth/builder/plan/plan.ts';
import { centralUrl } from './central-versions.ts';
import type { JdkChoice } from './jdk-version.ts';

export const jdkHome = '/opt/berth/jdk';
export const javaHome = '/opt/berth/java';
export const mavenHome = '/opt/berth/maven';
export const tomcatHome = '/opt/berth/tomcat';
const toolsHome = '/opt/berth/java-tools';

/** Debian's JDK, a runtime linked from it, and our tools compiled with it; only the runtime is in the image. */
export function jdkLayers(jdk: JdkChoice): PlannedLayer[] {
  const env = { JAVA_MAJOR: String(jdk.major) };
  return [
    {
      ...platformStep('jdk', `Installing OpenJDK ${jdk.major} (Debian)`, jdkScript),
      inImage: false,
      key: [String(jdk.major), jdk.suite],
      env: { ...env, SUITE: jdk.suite },
      caches: { debian: '/cache/debian' },
      keep: jdkHome,
    },
    toolSources,
    {
      ...platformStep('tools', 'Compiling the tools of Java builds', toolsScript),
      inImage: false,
      on: ['jdk', 'tool-sources'],
      keep: `${toolsHome}/classes`,
    },
    {
      ...platformStep('runtime', `Linking the runtime of OpenJDK ${jdk.major}`, runtimeScript),
      on: ['jdk', 'tools'],
      key: [String(jdk.major)],
      env,
      keep: '/',
      leaveOut: ['opt/berth/jdk', 'opt/berth/java-tools'],
    },
    fileOfOurs('launcher', 'opt/berth/java-bin/start-java-app', 'start-java-app.sh', 0o755),
  ];
}

const toolSources: FilesLayer = {
  kind: 'files',
  id: 'tool-sources',
  inImage: false,
  files: ['LayOut.java', 'TrustStore.java'].map((name) => ({
    path: `opt/berth/java-tools/${name}`,
    mode: 0o644,
    content: ours(`tools/${name}`),
  })),
};

/** How a step runs one of the tools: they live for a tenth of a second and need no trust store. */
export const runTool = `${jdkHome}/bin/java-vm -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp ${toolsHome}/classes`;

/** Zip, because that is the file whose digest a Maven wrapper may name. */
export function mavenLayer(maven: { version: string; sha256: string }): RunLayer {
  return {
    ...platformStep('maven', `Installing Maven ${maven.version}`, mavenScript),
    inImage: false,
    on: ['jdk'],
    key: [maven.version, maven.sha256],
    env: { MAVEN_VERSION: maven.version, MAVEN_SHA256: maven.sha256 },
    caches: { maven: '/cache/maven' },
    keep: mavenHome,
    explain: (output) =>
      /is not the one that the wrapper names/.test(output)
        ? {
            message: `Maven ${maven.version} is not the file that distributionSha256Sum names`,
            hint: 'correct .mvn/wrapper/maven-wrapper.properties',
          }
        : undefined,
  };
}

/** Tomcat without its own apps, and our settings for it in a layer above. */
export function tomcatLayers(version: string): PlannedLayer[] {
  return [
    {
      ...platformStep('runtime-tomcat', `Installing Tomcat ${version}`, tomcatScript),
      key: [version],
      env: { TOMCAT_VERSION: version },
      caches: { maven: '/cache/maven' },
      keep: tomcatHome,
    },
    {
      kind: 'files',
      id: 'runtime-tomcat-settings',
      inImage: true,
      files: [
        { from: 'server.xml', to: 'conf/server.xml' },
        { from: 'logging.properties', to: 'conf/logging.properties' },
        { from: 'setenv.sh', to: 'bin/setenv.sh' },
      ].map(({ from, to }) => ({
        path: `opt/berth/tomcat/${to}`,
        mode: 0o644,
        content: ours(`tomcat/${from}`),
      })),
    },
  ];
}

function fileOfOurs(id: string, path: string, name: string, mode: number): FilesLayer {
  return { kind: 'files', id, inImage: true, files: [{ path, mode, content: ours(name) }] };
}

function ours(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

function platformStep(id: string, title: string, script: string): RunLayer {
  return {
    kind: 'run',
    id,
    inImage: true,
    title,
    step: 'runtime',
    on: [],
    key: [],
    scope: 'platform',
    files: [],
    stack: 'tools',
    user: 'root',
    script,
    env: { JAVA_HOME: jdkHome },
    path: [`${jdkHome}/bin`],
    vars: 'none',
    caches: {},
    keep: '/',
    leaveOut: [],
    quiet: true,
  };
}

/**
 * `wrap HOME` puts a script in the place of Java's command, for two things that only a running container knows. Its memory limit: Java looks for
 * it in cgroup v1 only when it sees a cpuset as well, which the engine gives to containers that ask for one; a JVM that takes the host's memory for
 * its own is killed for it. And, in builds, whom the machine trusts: the JDK's cacerts is a link, made good here at the first use.
 */
const wrapJava = `
wrap() {
  mv "$1/bin/java" "$1/bin/java-vm"
  sed "s#@HOME@#$1#" > "$1/bin/java" <<'END'
#!/bin/sh
home=@HOME@
limit=/sys/fs/cgroup/memory/memory.limit_in_bytes
if [ -r "$limit" ] && [ ! -d /sys/fs/cgroup/cpuset ]; then
  read -r bytes < "$limit"
  # A number of 14 digits and more stands for no limit.
  [ "\${#bytes}" -gt 13 ] || set -- "-XX:MaxRAM=$bytes" "$@"
fi
if [ -L "$home/lib/security/cacerts" ] && [ ! -e /tmp/cacerts ] && [ -d ${toolsHome}/classes ]; then
  ${runTool} TrustStore "/tmp/cacerts.$$" /etc/ssl/certs/ca-certificates.crt && mv "/tmp/cacerts.$$" /tmp/cacerts
fi
exec "$home/bin/java-vm" "$@"
END
  chmod 755 "$1/bin/java"
}
`;

/**
 * Debian's packages taken apart at a prefix: nothing of the stack changes, and a suite that is not the stack's can give the JDK alone.
 * What Debian keeps below /etc takes its place in the JDK; the libraries that Java's own need and the stack does not have lie beside them, where
 * they look first. The class archive holds only for the times that the
 * layer's files will have.
 */
const jdkScript = `${wrapJava}
codename=$(. /etc/os-release; echo "$VERSION_CODENAME")
cp /etc/apt/sources.list /tmp/sources.list
[ "$SUITE" = "$codename" ] || sed -n "s/$codename/$SUITE/gp" /etc/apt/sources.list >> /tmp/sources.list
printf 'Package: *\\nPin: release n=%s*\\nPin-Priority: 600\\n' "$codename" > /tmp/preferences
mkdir -p /tmp/archives/partial /tmp/root
set -- -qq -o Acquire::Retries=3 -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=- \\
  -o Dir::Etc::preferences=/tmp/preferences -o Dir::Cache::archives=/tmp/archives -o APT::Keep-Downloaded-Packages=true
apt-get "$@" update
set -- "$@" install -y --no-install-recommends "openjdk-$JAVA_MAJOR-jdk-headless"
apt-get "$@" --print-uris | cut -d ' ' -f 2 > /tmp/wanted
while read -r name; do [ ! -e "/cache/debian/$name" ] || cp "/cache/debian/$name" /tmp/archives/; done < /tmp/wanted
apt-get "$@" --download-only
while read -r name; do
  dpkg -x "/tmp/archives/$name" /tmp/root
  [ -e "/cache/debian/$name" ] || { cp "/tmp/archives/$name" "/cache/debian/.$name.$$" && mv "/cache/debian/.$name.$$" "/cache/debian/$name"; }
done < /tmp/wanted
rm -rf /etc/java-*
mv /tmp/root/etc/java-$JAVA_MAJOR-openjdk /etc/
from=$(echo /tmp/root/usr/lib/jvm/java-$JAVA_MAJOR-openjdk-*)
rm -f "$from/lib/src.zip" "$from/lib/security/cacerts"
mkdir -p ${jdkHome}
for part in bin conf include jmods legal lib release; do [ ! -e "$from/$part" ] || cp -rL "$from/$part" ${jdkHome}/; done
for library in liblcms2.so.2 libjpeg.so.62; do cp -L /tmp/root/usr/lib/*/$library ${jdkHome}/lib/; done
ln -s /tmp/cacerts ${jdkHome}/lib/security/cacerts
echo 'Status: install ok installed' > ${jdkHome}/package
dpkg-deb -f /tmp/archives/openjdk-$JAVA_MAJOR-jre-headless_*.deb Package Version Architecture Source Maintainer >> ${jdkHome}/package
touch -d @315532801 ${jdkHome}/lib/modules
rm -f ${jdkHome}/lib/server/*.jsa
java -XX:+UseG1GC -Xshare:dump > /tmp/dump 2>&1 || { cat /tmp/dump; exit 1; }
wrap ${jdkHome}
`;

const toolsScript = `
mkdir -p ${toolsHome}/classes
javac --release 17 -d ${toolsHome}/classes ${toolsHome}/*.java
`;

/**
 * Everything of Java but the tools that make programs: less than half of Debian's own runtime. Certificates are the stack's, not the machine's.
 * The heap's share leaves room for threads, code and classes in the smallest instance; an app's own -Xmx or percentage wins.
 * The class archive of Java 17 depends on where memory lies: it is left out where that cannot be fixed. The package is named where scanners look.
 */
const runtimeScript = `${wrapJava}
modules=$(java --list-modules | sed 's/@.*//' | grep -v -x -E 'jdk\\.(accessibility|compiler|editpad|graal.*|hotspot\\.agent|incubator\\..*|internal\\.(ed|le|md|opt|vm\\.compiler.*)|jartool|javadoc|jconsole|jdeps|jdi|jlink|jpackage|jshell|jstatd|unsupported\\.desktop)' | paste -s -d , -)
compress=zip-6
[ "$JAVA_MAJOR" -ge 21 ] || compress=2
jlink --add-modules "$modules" --compress "$compress" --no-header-files --no-man-pages \\
  --add-options=-XX:MaxRAMPercentage=60 --output ${javaHome} > /tmp/jlink 2>&1 || { cat /tmp/jlink; exit 1; }
cp ${jdkHome}/lib/liblcms2.so.2 ${jdkHome}/lib/libjpeg.so.62 ${javaHome}/lib/
rm -f ${javaHome}/lib/security/cacerts
${runTool} TrustStore ${javaHome}/lib/security/cacerts /usr/share/ca-certificates/mozilla/*.crt
touch -d @315532801 ${javaHome}/lib/modules
dump="${javaHome}/bin/java -XX:+UseG1GC -Xshare:dump"
if [ "$JAVA_MAJOR" -lt 21 ]; then
  if setarch -R true 2>/dev/null; then dump="setarch -R $dump"; else dump=:; fi
fi
$dump > /tmp/dump 2>&1 || { cat /tmp/dump; exit 1; }
wrap ${javaHome}
mkdir -p /var/lib/dpkg/status.d
cp ${jdkHome}/package "/var/lib/dpkg/status.d/openjdk-$JAVA_MAJOR-jre-headless"
`;

/** Fetches $path of Maven Central to $file, once a machine. Old releases have no SHA-512 beside them. */
const fetchFromCentral = `
fetch() {
  [ ! -e "/cache/maven/$file" ] || return 0
  url="${centralUrl}/$path/$file"
  curl -fsSL --retry 3 --max-time 300 -o "/cache/maven/.$file.$$" "$url"
  if curl -fsSL --retry 3 --max-time 60 -o /tmp/sum "$url.sha512" 2>/dev/null; then check=sha512sum
  else curl -fsSL --retry 3 --max-time 60 -o /tmp/sum "$url.sha1"; check=sha1sum; fi
  echo "$(cut -d ' ' -f 1 /tmp/sum)  /cache/maven/.$file.$$" | $check --check --status || { echo "$file is damaged"; rm -f "/cache/maven/.$file.$$"; exit 1; }
  mv "/cache/maven/.$file.$$" "/cache/maven/$file"
}
`;

const mavenScript = `${fetchFromCentral}
path="org/apache/maven/apache-maven/$MAVEN_VERSION"
file="apache-maven-$MAVEN_VERSION-bin.zip"
fetch
[ -z "$MAVEN_SHA256" ] || echo "$MAVEN_SHA256  /cache/maven/$file" | sha256sum --check --status || { echo "$file is not the one that the wrapper names"; exit 1; }
cd /tmp
jar xf "/cache/maven/$file"
mv "apache-maven-$MAVEN_VERSION" ${mavenHome}
chmod 755 ${mavenHome}/bin/mvn
`;

const tomcatScript = `${fetchFromCentral}
path="org/apache/tomcat/tomcat/$TOMCAT_VERSION"
file="tomcat-$TOMCAT_VERSION.tar.gz"
fetch
mkdir -p ${tomcatHome}
tar -xzf "/cache/maven/$file" -C ${tomcatHome} --strip-components 1 --no-same-owner
cd ${tomcatHome}
rm -rf webapps logs temp work bin/*.bat conf/tomcat-users.* BUILDING.txt CONTRIBUTING.md README.md RELEASE-NOTES RUNNING.txt
mkdir webapps
chmod -R go+rX .
`;
