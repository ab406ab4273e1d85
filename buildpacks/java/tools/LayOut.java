// Takes what a build left behind (an executable jar, Quarkus' folder, a WAR) apart into what changes with the dependencies and what changes with
// the app: `java LayOut jar|war dependencies|app javax|jakarta`. Run by the steps of lay-out.ts, once for each part, each a layer of its own.
// Must never run the app's code. A failure is one line "lay out: message | hint" and exit code 3.
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.Manifest;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

public final class LayOut {
    private static final Path SOURCE = Path.of("/app");
    private static final Path JAR_HOME = Path.of("/opt/berth/java-app");
    private static final Path WAR_HOME = Path.of("/opt/berth/tomcat/webapps/ROOT");
    /** Modules of modules lie deeper than this in no project seen. */
    private static final int MAX_DEPTH = 8;
    private static final Pattern NOT_THE_APP =
        Pattern.compile("original-.*|.*-(sources|javadoc|tests|test-sources|plain|test-fixtures)\\.[jw]ar");
    private static final Pattern WITH_EVERYTHING =
        Pattern.compile(".*-(jar-with-dependencies|with-dependencies|all|fat|shaded|uber|standalone|runner|exec)\\.[jw]ar");
    private static final Pattern LIBRARY =
        Pattern.compile("(BOOT-INF/lib|WEB-INF/lib|WEB-INF/lib-provided)/[^/]+\\.jar");

    private final boolean dependencies;

    private LayOut(boolean dependencies) {
        this.dependencies = dependencies;
    }

    public static void main(String[] args) throws IOException {
        try {
            LayOut layOut = new LayOut(args[1].equals("dependencies"));
            if (args[0].equals("war")) layOut.war(args[2]);
            else layOut.jar();
        } catch (Failure failure) {
            System.err.println("lay out: " + failure.getMessage());
            System.exit(3);
        }
    }

    @SuppressWarnings("serial") // never written anywhere
    private static final class Failure extends RuntimeException {
        Failure(String message, String hint) {
            super(message + " | " + hint);
        }
    }

    private void war(String api) throws IOException {
        List<Path> wars = artifacts().stream().filter(path -> path.toString().endsWith(".war")).toList();
        if (wars.isEmpty()) throw new Failure("the build left no WAR behind", "the packaging of pom.xml must be war");
        Path war = only(wars, "WARs");
        try (ZipFile zip = new ZipFile(war.toFile())) {
            String used = servletApi(zip);
            if (used != null && !used.equals(api))
                throw new Failure("the WAR is written for " + used + ".servlet, the chosen Tomcat runs " + api + ".servlet",
                    used.equals("javax") ? "set the config var TOMCAT_VERSION to 9" : "set the config var TOMCAT_VERSION to 10.1 or 11");
            unpack(zip, WAR_HOME);
        }
    }

    /** Which of the two a WAR's own classes name; null: neither, or both. */
    private static String servletApi(ZipFile zip) throws IOException {
        boolean javax = false;
        boolean jakarta = false;
        for (ZipEntry entry : zip.stream().toList()) {
            if (!entry.getName().startsWith("WEB-INF/classes/") || !entry.getName().endsWith(".class")) continue;
            try (InputStream in = zip.getInputStream(entry)) {
                String text = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
                javax |= text.contains("javax/servlet/");
                jakarta |= text.contains("jakarta/servlet/");
            }
        }
        if (javax == jakarta) return null;
        return javax ? "javax" : "jakarta";
    }

    private void jar() throws IOException {
        List<Path> found = artifacts();
        List<Path> runnable = new ArrayList<>();
        for (Path path : found) if (mainAttributes(path).getValue("Main-Class") != null) runnable.add(path);
        if (runnable.isEmpty()) throw nothingToRun(found);
        Path jar = only(runnable, "runnable jars");
        if (jar.endsWith("quarkus-app/quarkus-run.jar")) {
            quarkus(jar.getParent());
            return;
        }
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            if (zip.getEntry("BOOT-INF/") != null || zip.getEntry("WEB-INF/lib-provided/") != null || zip.getEntry("WEB-INF/lib/") != null) {
                unpack(zip, JAR_HOME);
                launch("-cp", JAR_HOME.toString(), mainAttributes(jar).getValue("Main-Class"));
                return;
            }
        }
        plain(jar);
    }

    private static Failure nothingToRun(List<Path> found) {
        if (found.isEmpty())
            return new Failure("the build left no jar behind",
                "write a Procfile that says how to start the app, for example \"web: java -cp target/classes com.example.Main\"");
        String names = found.stream().limit(5).map(LayOut::shown).collect(Collectors.joining(", "));
        return new Failure("no main manifest attribute: " + names + (found.size() == 1 ? " is" : " are") + " not runnable",
            "name the mainClass in the manifest (maven-jar-plugin, maven-shade-plugin or spring-boot-maven-plugin), or write a Procfile");
    }

    /** Jars and WARs that builds leave in `target` and `build/libs`; without any, those that were pushed at the root. */
    private static List<Path> artifacts() throws IOException {
        List<Path> found = new ArrayList<>();
        try (Stream<Path> paths = Files.walk(SOURCE, MAX_DEPTH)) {
            paths.filter(LayOut::isArtifact).sorted().forEach(found::add);
        }
        if (!found.isEmpty()) return found;
        try (Stream<Path> paths = Files.list(SOURCE)) {
            return paths.filter(LayOut::mayBeTheApp).sorted().toList();
        }
    }

    private static boolean isArtifact(Path path) {
        Path folder = path.getParent();
        if (folder.endsWith("quarkus-app")) return path.endsWith("quarkus-run.jar");
        return (folder.endsWith("target") || folder.endsWith("build/libs")) && mayBeTheApp(path);
    }

    private static boolean mayBeTheApp(Path path) {
        String name = path.getFileName().toString();
        return (name.endsWith(".jar") || name.endsWith(".war")) && Files.isRegularFile(path) && !NOT_THE_APP.matcher(name).matches();
    }

    private static Path only(List<Path> found, String what) {
        if (found.size() == 1) return found.get(0);
        List<Path> quarkus = found.stream().filter(path -> path.endsWith("quarkus-run.jar")).toList();
        if (quarkus.size() == 1) return quarkus.get(0);
        List<Path> whole = found.stream().filter(path -> WITH_EVERYTHING.matcher(path.getFileName().toString()).matches()).toList();
        if (whole.size() == 1) return whole.get(0);
        String names = found.stream().limit(5).map(LayOut::shown).collect(Collectors.joining(", "));
        throw new Failure("the build left several " + what + " behind: " + names,
            "say in a Procfile which to start, or build one module: set the config var MAVEN_CUSTOM_OPTS to \"-DskipTests -pl MODULE -am\"");
    }

    private static String shown(Path path) {
        return SOURCE.relativize(path).toString();
    }

    private static Attributes mainAttributes(Path jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            ZipEntry entry = zip.getEntry("META-INF/MANIFEST.MF");
            if (entry == null) return new Attributes();
            try (InputStream in = zip.getInputStream(entry)) {
                return new Manifest(in).getMainAttributes();
            }
        } catch (java.util.zip.ZipException damaged) {
            throw new Failure(shown(jar) + " is not readable as a jar", "build it anew");
        }
    }

    /** Libraries go with the dependencies, but snapshots change as often as the app does. */
    private static boolean isDependency(String name) {
        return LIBRARY.matcher(name).matches() && !name.contains("-SNAPSHOT");
    }

    private void unpack(ZipFile zip, Path home) throws IOException {
        for (ZipEntry entry : zip.stream().toList()) {
            if (entry.isDirectory() || isDependency(entry.getName()) != dependencies) continue;
            try (InputStream in = zip.getInputStream(entry)) {
                Files.copy(in, parentsMade(inside(home, entry.getName())), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static Path inside(Path home, String name) {
        Path path = home.resolve(name).normalize();
        if (!path.startsWith(home)) throw new Failure("an entry of the jar points out of it: " + name, "build it anew");
        return path;
    }

    private static Path parentsMade(Path path) throws IOException {
        Files.createDirectories(path.getParent());
        return path;
    }

    private void quarkus(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.filter(Files::isRegularFile).toList()) {
                String name = folder.relativize(path).toString();
                boolean isLibrary = name.startsWith("lib/") && !name.contains("-SNAPSHOT");
                if (isLibrary == dependencies) copy(path, inside(JAR_HOME, name));
            }
        }
        launch("-jar", JAR_HOME.resolve("quarkus-run.jar").toString());
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.copy(from, parentsMade(to), StandardCopyOption.REPLACE_EXISTING);
    }

    /** A jar with its libraries beside it: where the manifest's Class-Path says, else in a folder that Maven's plugins use. */
    private void plain(Path jar) throws IOException {
        Path home = JAR_HOME.resolve("app");
        Attributes attributes = mainAttributes(jar);
        String classPath = attributes.getValue("Class-Path");
        for (String entry : classPath == null ? new String[0] : classPath.trim().split("\\s+")) {
            Path library = jar.resolveSibling(entry).normalize();
            if (dependencies && library.startsWith(SOURCE) && Files.isRegularFile(library))
                copy(library, insideJarHome(home.resolve(entry).normalize()));
        }
        if (!dependencies) copy(jar, home.resolve(jar.getFileName()));
        Path beside = classPath == null ? librariesBeside(jar) : null;
        if (beside == null) {
            launch("-jar", home.resolve(jar.getFileName()).toString());
            return;
        }
        if (dependencies)
            try (Stream<Path> paths = Files.list(beside)) {
                for (Path path : paths.filter(path -> path.toString().endsWith(".jar")).toList())
                    copy(path, home.resolve("lib").resolve(path.getFileName()));
            }
        launch("-cp", home.resolve(jar.getFileName()) + ":" + home + "/lib/*", attributes.getValue("Main-Class"));
    }

    private static Path insideJarHome(Path path) {
        if (!path.startsWith(JAR_HOME)) throw new Failure("the jar's Class-Path leaves the build's folder", "copy the libraries below target");
        return path;
    }

    private static Path librariesBeside(Path jar) {
        for (String name : List.of("lib", "libs", "dependency", "dependency-jars"))
            if (Files.isDirectory(jar.resolveSibling(name))) return jar.resolveSibling(name);
        return null;
    }

    /** The command line of the app as a file that `java @file` reads: nothing of it is ever read by a shell. */
    private void launch(String... arguments) throws IOException {
        if (dependencies) return;
        String text = Arrays.stream(arguments)
            .map(argument -> '"' + argument.replace("\\", "\\\\").replace("\"", "\\\"") + "\"\n")
            .collect(Collectors.joining());
        Files.writeString(parentsMade(JAR_HOME.resolve("launch")), text);
    }
}
