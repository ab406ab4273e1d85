// Turns the output of Maven, Gradle and LayOut.java into one clear line for the pusher. Called only when a step has failed.
import { firstExplanation } from '@berth/builder/plan/explanation-rules.ts';
import type { Explanation } from '@berth/builder/plan/plan.ts';

export function explainMaven(output: string): Explanation | undefined {
  return firstExplanation(
    [
      wrongJdk,
      oldLombok,
      testsFailed,
      (text) =>
        doesNotCompile(
          text,
          /\[ERROR\] (?:\/app\/)?(\S+?\.(?:java|kt|groovy|scala)):\s*[[(](\d+)(?:,\s*\d+)?[\])]:? (.+)/,
        ),
      untrusted,
      missingParent,
      missingDependency,
      badPom,
      noSuchModule,
      outOfMemory,
      unreachable,
    ],
    output,
  );
}

export function explainGradle(output: string): Explanation | undefined {
  return firstExplanation(
    [
      wrongJdk,
      oldLombok,
      testsFailed,
      (text) =>
        doesNotCompile(
          text,
          /^(?:e: (?:file:\/\/)?)?\/app\/(\S+?\.(?:java|kt|groovy)):(\d+)(?::\d+)?:? (?:error: )?(.+)/m,
        ),
      untrusted,
      missingGradleDependency,
      outOfMemory,
      unreachable,
    ],
    output,
  );
}

/** The one line that LayOut.java says. */
export function explainLayOut(output: string): Explanation | undefined {
  const found = /^lay out: (.+) \| (.+)$/m.exec(output);
  return found ? { message: found[1] ?? '', hint: found[2] ?? '' } : undefined;
}

const chooseJdk = 'name the Java version in system.properties: "java.runtime.version=25"';

function wrongJdk(output: string): Explanation | undefined {
  const level =
    /(?:release version|invalid (?:source|target) release:?) (\d+(?:\.\d+)?)/.exec(output)?.[1] ??
    /Source option (\d+) is no longer supported/.exec(output)?.[1];
  if (level) return { message: `this JDK does not compile for Java ${level}`, hint: chooseJdk };
  const wanted =
    /Detected JDK .*? (?:version|Version:) (\S+) .*?(?:not in the allowed range|is not in) \[?([^\s\],]+)/.exec(
      output,
    );
  if (wanted)
    return {
      message: `the project wants Java ${wanted[2]} or later, this JDK is ${wanted[1]}`,
      hint: chooseJdk,
    };
  return /Unsupported class file major version \d+|has been compiled by a more recent version of the Java/.test(
    output,
  )
    ? {
        message: 'a plugin or library of the build does not fit this JDK',
        hint: 'name another Java version in system.properties, for example "java.runtime.version=17"',
      }
    : undefined;
}

function oldLombok(output: string): Explanation | undefined {
  return /com\.sun\.tools\.javac\.tree\.JCTree\$JCImport|lombok.*(?:NoSuchFieldError|IllegalAccessError)/.test(
    output,
  )
    ? {
        message: "the app's Lombok is too old for this JDK",
        hint: 'raise Lombok to 1.18.30 or later, or write "java.runtime.version=17" into system.properties',
      }
    : undefined;
}

function testsFailed(output: string): Explanation | undefined {
  if (!/There are test failures|There were failing tests/.test(output)) return undefined;
  const name = /\[ERROR\]\s+([\w.$]+):\d+/.exec(output)?.[1] ?? /^(\S+ > \S+) FAILED/m.exec(output)?.[1];
  return { message: `tests failed${name ? `: ${name}` : ''}`, hint: 'the failures are above' };
}

function doesNotCompile(output: string, pattern: RegExp): Explanation | undefined {
  const found = pattern.exec(output);
  if (!found) return undefined;
  const [, file = '', line = '', what = ''] = found;
  return {
    message: `"${file.replace(/^\/app\//, '')}" does not compile: line ${line}: ${what.trim().slice(0, 200)}`,
    hint: "the compiler's messages are above",
  };
}

const coordinates = /([\w.-]+:[\w.-]+(?::[\w.-]+)*)/.source;

function missingDependency(output: string): Explanation | undefined {
  const found = new RegExp(
    `(?:Could not find artifact|The following artifacts could not be resolved:) ${coordinates}`,
  ).exec(output)?.[1];
  if (found === undefined || !/Could not find artifact|was not found in|Failure to find/.test(output))
    return undefined;
  return {
    message: `the dependency "${readable(found)}" does not exist in the repositories`,
    hint: 'check its name and version in pom.xml; what lies in your own repository needs a <repository> or MAVEN_SETTINGS_PATH',
  };
}

function missingParent(output: string): Explanation | undefined {
  const found = new RegExp(`Non-resolvable parent POM[\\s\\S]*?Could not find artifact ${coordinates}`).exec(
    output,
  )?.[1];
  return found
    ? {
        message: `the parent "${readable(found)}" of pom.xml does not exist in the repositories`,
        hint: 'check <parent> in pom.xml',
      }
    : undefined;
}

function missingGradleDependency(output: string): Explanation | undefined {
  const plugin = /Plugin \[id: '([^']+)'(?:, version: '([^']+)')?.*was not found/.exec(output);
  if (plugin)
    return {
      message: `the Gradle plugin "${[plugin[1], plugin[2]].filter(Boolean).join(':')}" does not exist in the repositories`,
      hint: 'check its name and version, and pluginManagement in settings.gradle',
    };
  const found = new RegExp(`Could not find ${coordinates}\\.`).exec(output)?.[1];
  return found
    ? {
        message: `the dependency "${found}" does not exist in the repositories`,
        hint: 'check its name and version in the build file',
      }
    : undefined;
}

/** "g:a:jar:1.0" as people write it: g:a:1.0. */
function readable(name: string): string {
  return name.replace(/^([^:]+:[^:]+):(?:jar|pom|war|maven-plugin):/, '$1:');
}

function badPom(output: string): Explanation | undefined {
  const found =
    /Non-parseable POM \/app\/(\S+?): ([^\n]+?) @/.exec(output) ??
    /The project \S+ \(\/app\/(\S+)\) has \d+ errors?\s*\n\[ERROR\]\s+(.+)/.exec(output);
  return found
    ? {
        message: `${found[1]} is not a valid pom: ${(found[2] ?? '').trim().slice(0, 200)}`,
        hint: 'make "mvn validate" work on your machine',
      }
    : undefined;
}

function noSuchModule(output: string): Explanation | undefined {
  const found =
    /Could not find the selected project in the reactor: (\S+)|Child module (\S+) of \S+ does not exist/.exec(
      output,
    );
  return found
    ? {
        message: `there is no module "${(found[1] ?? found[2] ?? '').replace(/^\/app\//, '')}"`,
        hint: 'check <modules> in pom.xml and MAVEN_CUSTOM_OPTS',
      }
    : undefined;
}

function outOfMemory(output: string): Explanation | undefined {
  return /java\.lang\.OutOfMemoryError|Expiring Daemon because JVM heap space is exhausted/.test(output)
    ? {
        message: 'the build ran out of Java heap',
        hint: 'set the config var MAVEN_JAVA_OPTS to "-Xmx1500m", or make the build smaller',
      }
    : undefined;
}

function untrusted(output: string): Explanation | undefined {
  return /PKIX path building failed|unable to find valid certification path/.test(output)
    ? {
        message: "the repository's certificate is not trusted",
        hint: 'give the platform the CA bundle: set SSL_CERT_FILE and start it again',
      }
    : undefined;
}

function unreachable(output: string): Explanation | undefined {
  const host =
    /(?:Unknown host|UnknownHostException:|Connect to|Temporary failure in name resolution:?) ?([\w.-]+)?/.exec(
      output,
    );
  return host
    ? {
        message: `the repository${host[1] ? ` "${host[1]}"` : ''} cannot be reached`,
        hint: 'check the network of the host and push again',
      }
    : undefined;
}
